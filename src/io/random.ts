import { getRandomValues } from "node:crypto";
import type { Random } from "../engine/ports.ts";

/** Cryptographic identities; `next` only spreads time-outs and back-offs. */
export const systemRandom: Random = {
  next: () => Math.random(),
  identity: () => {
    const [low = 0, high = 0] = getRandomValues(new Uint32Array(2));
    // 21 high bits and 32 low ones: 53. Zero means "none" and is not given out.
    return (high & 0x1fffff) * 0x1_0000_0000 + low || 1;
  },
};
