import { acquireLocks } from "../../api/multi-locks.ts";
import type { HandlerTools, Register } from "../run.ts";
import { expectResult } from "./lock-errors.ts";
import { grantsOutput } from "./outputs.ts";
import { claimOf } from "./principals.ts";

/** Several locks are one command in the log (PROTOCOLS L6); each is released by itself. */
export function multiLockOperations(register: Register, tools: HandlerTools): void {
  const { group } = tools;

  register(acquireLocks, async (input, context) => {
    const locks = input.locks.map(({ name, lock_type: mode }) => ({ lock: name, mode }));
    const result = await group.submit(
      { type: "acquireAll", locks, ...claimOf(input, tools), waitMs: input.timeout },
      context,
    );
    return grantsOutput(expectResult(result, "grantedAll"), group.leadership());
  });
}
