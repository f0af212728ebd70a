import type { StateMachine } from "../../../src/engine/state-machine.ts";
import type { LockMachine } from "../../../src/locks/lock-machine.ts";
import { Semaphore } from "../../../src/locks/semaphores.ts";
import type { LockGrant, LockResult } from "../../../src/locks/types.ts";
import { withApply } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** What is granted or refused is not what was asked for, or not what the table says. On all nodes in the same way. */
export const answerPlants: Plants = {
  "short-leases": {
    rules: ["L1"],
    breaks: "a lease is half as long as was asked",
    check: "L1 a lease is as long as asked",
    machine: answering((result) => {
      return result.type === "granted" ? { ...result, expiresInMs: Math.floor(result.expiresInMs / 2) } : result;
    }),
  },
  "token-for-each-reader": {
    rules: ["L2"],
    breaks: "readers of one phase have tokens of their own",
    check: "L2 one shared phase, one token",
    machine: answering((result, sequence) => {
      const isShared = result.type === "granted" && result.mode === "shared";
      return isShared ? { ...result, fencingToken: result.fencingToken * 1_000 + sequence } : result;
    }),
  },
  "slot-for-everybody": {
    rules: ["L2"],
    breaks: "permits are granted in slots that are held",
    check: "permit safety: a slot is held once",
    patches: [patch(Semaphore.prototype, Semaphore.prototype.isFree, () => () => true)],
  },
  "refuses-good-tokens": {
    rules: ["L3"],
    breaks: "a fence refuses the token that is its highest",
    check: "L3 a fence refuses smaller tokens only",
    machine: answering((result) => {
      if (result.type !== "fenceAccepted" || result.highest === 0) return result;
      return { type: "error", code: "stale_token", highest: result.highest };
    }),
  },
  "all-but-one": {
    rules: ["L6"],
    breaks: "of several locks one is left out of the grant",
    check: "L6 all or none",
    machine: answering((result) => {
      return result.type === "grantedAll" ? { ...result, grants: withoutFirst(result.grants) } : result;
    }),
  },
};

function withoutFirst(grants: readonly LockGrant[]): readonly LockGrant[] {
  return grants.length > 1 ? grants.slice(1) : grants;
}

function answering(change: (result: LockResult, sequence: number) => LockResult) {
  return (machine: LockMachine): StateMachine<LockResult> =>
    withApply(machine, (entry, emit) => {
      machine.apply(entry, (outcome) => {
        const { result, sequence } = outcome;
        emit(result === undefined ? outcome : { ...outcome, result: change(result, sequence) });
      });
    });
}
