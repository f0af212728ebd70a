import { Ballot } from "../../../src/raft/ballot.ts";
import { Raft } from "../../../src/raft/raft.ts";
import { HardStateCopy } from "../../../src/wal/hard-state-copy.ts";
import { raftOnly } from "../messages.ts";
import { patch, patchGetter } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** Faults in the repair of damaged disks (PROTOCOLS D7). */
export const repairPlants: Plants = {
  "stale-copy": {
    rules: ["D7"],
    breaks: "the second copy of terms and votes is written once, and then no more",
    check: "D7 a damaged log forgets no vote",
    patches: [
      patch(HardStateCopy.prototype, HardStateCopy.prototype.write, (original) => {
        return function write(this: HardStateCopy, states, flush, done): void {
          if (this.found === undefined && this["sequence"] === 0) original.call(this, states, flush, done);
          else done();
        };
      }),
    ],
  },
  "votes-by-what-is-left": {
    rules: ["D7"],
    breaks: "a replica that lost entries votes by what is left of its log",
    check: "leader completeness",
    patches: [
      patch(Ballot.prototype, Ballot.prototype.favours, () => {
        return function favours(this: Ballot, lastIndex: number, lastTerm: number): boolean {
          return this["log"].isUpToDate(lastIndex, lastTerm);
        };
      }),
    ],
  },
  "stands-under-repair": {
    rules: ["D7"],
    breaks: "a replica that lost entries stands for election before it has them again",
    check: "D7 a node under repair does not stand",
    patches: [patchGetter(Raft.prototype, "mayStand", () => () => true)],
  },
  "silent-about-repair": {
    rules: ["D7"],
    breaks: "a replica that lost entries is counted as one that has all that it acknowledged",
    check: "D7 a node under repair says so",
    message: raftOnly((message) => {
      if (message.type !== "appendReply") return message;
      const { repairing: _, ...reply } = message;
      return reply;
    }),
  },
  "forgets-that-it-voted": {
    rules: ["D7", "M1"],
    breaks: "a node that has lost its log and its votes begins anew under its old identity, although others know it",
    check: "D7 a damaged log forgets no vote",
    forgetsMeeting: true,
  },
  "hasty-repair": {
    rules: ["D7"],
    breaks: "a replica takes itself for repaired before it has again what it lost",
    check: "D7 a floor stays until it is reached",
    patches: [
      patch(Ballot.prototype, Ballot.prototype.settle, () => {
        return function settle(this: Ballot): void {
          const { term, vote, floor } = this["hard"];
          if (floor === undefined || this["log"].lastIndex === 0) return;
          this["hard"] = { term, vote };
          this["outbox"].setHardState(this["hard"]);
        };
      }),
    ],
  },
};
