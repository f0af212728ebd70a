import { RaftLog } from "../../../src/raft/log.ts";
import { Snapshots } from "../../../src/raft/snapshots.ts";
import type { Snapshot } from "../../../src/raft/types.ts";
import { forgettingFences } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** What takes the place of a log's beginning (PROTOCOLS D8; Raft §7). */
export const snapshotPlants: Plants = {
  "one-snapshot-is-enough": {
    rules: ["D8"],
    breaks: "the log forgets what stands in one snapshot, and in no other should that be damaged",
    check: "D8 what is compacted is in durable snapshots",
    patches: [
      patch(Snapshots.prototype, Snapshots.prototype.taken, (original) => {
        return function taken(snapshot) {
          return original.call(this, snapshot, Number.POSITIVE_INFINITY);
        };
      }),
    ],
  },
  "snapshot-without-fences": {
    rules: ["D8"],
    breaks: "a snapshot that is put in force lacks what fences have seen",
    check: "state equality",
    machine: forgettingFences,
  },
  "mixed-snapshots": {
    rules: ["D8"],
    breaks: "a piece of one snapshot continues what there is of another",
    check: "liveness",
    classic: "snapshot races snapshot",
    patches: [
      patch(Snapshots.prototype, Snapshots.prototype.receive, (original) => {
        return function receive(chunk) {
          const { incoming } = this as unknown as { readonly incoming: { readonly snapshot: Snapshot } | undefined };
          original.call(this, incoming === undefined ? chunk : { ...chunk, snapshot: incoming.snapshot });
        };
      }),
    ],
  },
  "gap-after-install": {
    rules: ["D8"],
    breaks: "the log goes on one entry later than the snapshot that was installed ends",
    check: "D3 what is applied is durable here",
    classic: "gap after install",
    patches: [
      patch(RaftLog.prototype, RaftLog.prototype.install, (original) => {
        return function install(snapshot) {
          const kept = original.call(this, snapshot);
          if (!kept) this["restart"]({ ...snapshot, index: snapshot.index + 1 });
          this.commitIndex = this.appliedIndex = Math.min(this.lastIndex, snapshot.index + 1);
          return kept;
        };
      }),
    ],
  },
};
