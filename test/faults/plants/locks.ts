import { Ingress } from "../../../src/engine/ingress.ts";
import { decodeCommand } from "../../../src/locks/codec.ts";
import { Claimant, Claimants } from "../../../src/locks/claimants.ts";
import { CycleSearch } from "../../../src/locks/cycle-search.ts";
import { Fences } from "../../../src/locks/fences.ts";
import { Lock } from "../../../src/locks/records.ts";
import { Sessions } from "../../../src/locks/sessions.ts";
import { LockState } from "../../../src/locks/state.ts";
import type { LockCommand } from "../../../src/locks/types.ts";
import {
  forgetsPlaces,
  grantsNameByName,
  meddling,
  overtakesBundles,
  reentersBehindWaiters,
  reusesPermitTokens,
  upgradesOneOfSeveral,
} from "../lock-states.ts";
import { firstLockAlone, withApply } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** The table, who is in it and who waits (PROTOCOLS L1–L8). All nodes have the same fault: only what is promised tells. */
export const lockPlants: Plants = {
  "one-for-all-of-a-node": {
    rules: ["L1"],
    breaks: "the anonymous requests of one node are one principal",
    check: "L4 a deadlock that is told of is one",
    patches: [
      patch(Claimants.prototype, Claimants.prototype.findPrincipal, (original) => {
        return function findPrincipal(principal) {
          const known = original.call(this, principal);
          if (known !== undefined || principal.kind !== "once") return known;
          for (const claimant of this["once"].values()) if (claimant.publicName === principal.node) return claimant;
          return undefined;
        };
      }),
    ],
  },
  "token-is-log-index": {
    rules: ["L2"],
    breaks: "the fencing token is the index of the entry",
    check: "the table is what the log makes it",
    machine: (machine) =>
      withApply(machine, (entry, emit) => {
        machine.apply(entry, (outcome) => {
          const { result } = outcome;
          emit(result?.type === "granted" ? { ...outcome, result: { ...result, fencingToken: entry.index } } : outcome);
        });
      }),
  },
  "token-used-twice": {
    rules: ["L2"],
    breaks: "now and then two grants share a token",
    check: "L2 tokens rise",
    patches: [
      patch(LockState.prototype, LockState.prototype.nextToken, (original) => {
        return function nextToken() {
          if (this.appliedIndex % 7 === 0 && this.tokenCounter > 0) this.tokenCounter -= 1;
          return original.call(this);
        };
      }),
    ],
  },
  "shared-slot-token": {
    rules: ["L2"],
    breaks: "two grants of one slot share a token",
    check: "L2 tokens rise for each slot",
    machine: (machine) => meddling(machine, reusesPermitTokens()),
  },
  "fence-forgets": {
    rules: ["L3"],
    breaks: "a fence accepts the token that it is offered, whatever it has seen",
    check: "L3 a fence is a max-register",
    patches: [
      patch(Fences.prototype, Fences.prototype.offer, (original) => {
        return function offer(resource, token) {
          const fence = this["byResource"].get(resource);
          if (fence !== undefined) fence.highest = Math.min(fence.highest, token);
          return original.call(this, resource, token);
        };
      }),
    ],
  },
  "holders-alone-block": {
    rules: ["L4"],
    breaks: "a deadlock is looked for over holders alone, and not over earlier waiters",
    check: "L4 a circle of waits is refused",
    patches: [
      patch(CycleSearch.prototype, CycleSearch.prototype["visitBlockers"], () => {
        return function visitBlockers(turn) {
          const resource = turn.mode === "semaphore" ? turn.semaphore : turn.lock;
          this["visitHolders"](turn, { all: resource.queue.first, exclusive: resource.queue.first, holders: false });
        };
      }),
    ],
  },
  "waits-for-itself": {
    rules: ["L4"],
    breaks: "who waits behind itself is told of a deadlock that is none",
    check: "L4 a deadlock that is told of is one",
    patches: [
      patch(CycleSearch.prototype, CycleSearch.prototype["visit"], (original) => {
        return function visit(blocker, turn) {
          if (blocker === this["start"]) this["closing"] ??= turn;
          else original.call(this, blocker, turn);
        };
      }),
    ],
  },
  "reader-overtakes-writer": {
    rules: ["L5"],
    breaks: "a reader that comes goes past a writer that waits",
    check: "L6 nobody is overtaken",
    patches: [
      patch(Lock.prototype, Lock.prototype.isOpenTo, () => {
        return function isOpenTo(mode) {
          return this.admits(mode);
        };
      }),
    ],
  },
  "upgrades-one-of-several": {
    rules: ["L5"],
    breaks: "one of several readers becomes exclusive",
    check: "lock safety",
    machine: (machine) => meddling(machine, () => {}, upgradesOneOfSeveral),
  },
  "re-entry-behind-waiters": {
    rules: ["L5"],
    breaks: "a holder that asks again waits behind those who came meanwhile",
    check: "linearizability",
    machine: (machine) => reentersBehindWaiters(machine),
  },
  "forgotten-place": {
    rules: ["L5"],
    breaks: "a semaphore forgets who came first",
    check: "L6 nobody is overtaken",
    machine: (machine) => meddling(machine, forgetsPlaces),
  },
  "lock-of-many": {
    rules: ["L6"],
    breaks: "of the locks of a multi-lock the first is held, and all are said to be",
    check: "the table is what the log makes it",
    machine: firstLockAlone,
  },
  "name-by-name": {
    rules: ["L6"],
    breaks: "a multi-lock that waits holds what it can have already",
    check: "the table is what the log makes it",
    machine: (machine) => meddling(machine, grantsNameByName),
  },
  "overtaken-bundle": {
    rules: ["L6"],
    breaks: "a lock that is free goes past a multi-lock that waits for it and for others",
    check: "L6 nobody is overtaken",
    machine: (machine) => meddling(machine, overtakesBundles),
  },
  "wait-ends-at-the-ingress": {
    rules: ["L7"],
    breaks: "a wait is ended by a timer of the node that took it in, and not by an entry",
    check: "an answer is what the log says",
    patches: [
      patch(Ingress.prototype, Ingress.prototype.sweep, (original) => {
        return function sweep(nowMs) {
          for (const operation of this["queued"].values()) {
            if (nowMs - operation.createdAtMs < operation.waitMs) continue;
            this["forget"](operation);
            const { command } = decodeCommand(operation.payload);
            operation.settle?.({ result: { type: "error", code: "lock_held", lock: firstName(command), holders: [] } });
          }
          original.call(this, nowMs);
        };
      }),
    ],
  },
  "forgets-to-cancel": {
    rules: ["L7"],
    breaks: "what a client that went away may have been granted is not given back",
    check: "L7 who goes away leaves nothing behind",
    patches: [patch(Ingress.prototype, Ingress.prototype["cancel"], () => () => {})],
  },
  "grants-the-dead": {
    rules: ["L8"],
    breaks: "a session that ends leaves its waiters in their queues",
    check: "a node stops: InvariantError",
    patches: grantsTheDead(),
  },
};

function firstName(command: LockCommand): string {
  if (command.type === "acquirePermits") return command.semaphore;
  if (command.type === "acquireAll") return command.locks[0]?.lock ?? "";
  return command.type === "acquire" ? command.lock : "";
}

function grantsTheDead() {
  let ended = "";
  return [
    patch(Sessions.prototype, Sessions.prototype.remove, (original) => {
      return function remove(session) {
        ended = session.id;
        original.call(this, session);
      };
    }),
    patch(Claimant.prototype, Claimant.prototype.waits, (original) => {
      return function waits() {
        const isOver = this.kind === "session" && this.id === ended;
        ended = "";
        return isOver ? [] : original.call(this);
      };
    }),
  ];
}
