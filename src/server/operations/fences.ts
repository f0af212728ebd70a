import { checkFence } from "../../api/fences.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";

export function fenceOperations(register: Register, { group }: HandlerTools): void {
  register(checkFence, async ({ resource, token }, { idempotencyKey }) => {
    const result = await group.submit({ type: "fence", resource, token }, { idempotencyKey });
    return { accepted: true as const, highest: expectResult(result, "fenceAccepted").highest };
  });
}
