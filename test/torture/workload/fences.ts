import type { WorkloadKind } from "./kind.ts";
import { resources } from "./names.ts";

/** Offers tokens in a rising line, some of them late, all clients to the same few resources. */
export const fences: WorkloadKind = {
  name: "fences",
  weight: 2,
  async round(client) {
    const { prng } = client;
    for (let offers = 1 + prng.int(6); offers > 0; offers--) {
      const token = Math.max(1, Math.floor(client.nowUs() / 1_000) + prng.pick([-50, -5, 0, 0, 5]));
      const keyed = prng.chance(0.3);
      await client.settle("fences.check", { resource: prng.pick(resources), token }, { keyed });
      await client.think(10);
    }
  },
};
