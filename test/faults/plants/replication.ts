import { Followers } from "../../../src/raft/followers.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { RaftLog } from "../../../src/raft/log.ts";
import { Progress } from "../../../src/raft/progress.ts";
import { Raft } from "../../../src/raft/raft.ts";
import type { AppendRequest } from "../../../src/raft/types.ts";
import { raftOnly } from "../messages.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** What counts as committed, and what is never truncated (PROTOCOLS R2; Raft §5.3, §5.4.2). */
export const replicationPlants: Plants = {
  "commit-old-term": {
    rules: ["R2"],
    breaks: "a leader commits an entry of an earlier term because a majority holds it (Raft §5.4.2)",
    check: "R2 a leader counts copies of its own entries alone",
    classic: "commit of an old term's entry by counting",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.advanceCommit, (original) => {
        return function advanceCommit() {
          const { log } = this as unknown as { readonly log: RaftLog };
          const reached = this["followers"].reached(log.durableIndex, ({ matchIndex }) => matchIndex);
          if (reached < this["noopIndex"]) log.commitTo(reached);
          original.call(this);
        };
      }),
    ],
  },
  "commits-unmatched": {
    rules: ["R2"],
    breaks: "a heartbeat commits what the follower may hold of another leader",
    check: "D2 committed is durable on a majority",
    message: raftOnly((message) => {
      return message.type === "heartbeat" ? { ...message, commitIndex: message.commitIndex + 3 } : message;
    }),
  },
  "commits-with-one-fewer": {
    rules: ["R2"],
    breaks: "an entry is committed with one copy fewer than a majority",
    check: "D2 committed is durable on a majority",
    patches: [
      patch(Followers.prototype, Followers.prototype.reached, (original) => {
        return function reached(own, valueOf) {
          const most = Math.max(0, ...this["voters"].map(valueOf));
          return Math.max(original.call(this, own, valueOf), this["voters"].length <= 2 ? own : most);
        };
      }),
    ],
  },
  "forgets-commit": {
    rules: ["R2"],
    breaks: "a commit index that comes late takes back what was committed",
    check: "the commit index never falls",
    patches: [
      patch(RaftLog.prototype, RaftLog.prototype.commitTo, () => {
        return function commitTo(index) {
          this.commitIndex = Math.max(index, this.appliedIndex);
        };
      }),
    ],
  },
  "truncates-matching": {
    rules: ["R2"],
    breaks: "an append truncates all behind its entries' beginning, though it agrees with them",
    check: "D2 committed is durable on a majority",
    classic: "matching or committed suffix truncated",
    patches: [truncating((log, { prevIndex }) => Math.max(prevIndex, log.commitIndex) + 1)],
  },
  "truncates-committed": {
    rules: ["R2"],
    breaks: "an append truncates what is committed",
    check: "a node stops: InvariantError",
    classic: "matching or committed suffix truncated",
    patches: [truncating((_log, { prevIndex }) => prevIndex + 1)],
  },
  "believes-any-previous": {
    rules: ["R2"],
    breaks: "a follower appends without looking at the entry before (Raft §5.3)",
    check: "log matching",
    patches: [
      patch(Raft.prototype, Raft.prototype["append"], (original) => {
        return function append(message) {
          const { prevIndex, prevTerm } = message;
          const fits = prevIndex <= this.log.lastIndex && prevIndex > this.log.compacted.index;
          original.call(this, fits ? { ...message, prevTerm: this.log.term(prevIndex) ?? prevTerm } : message);
        };
      }),
    ],
  },
  "match-from-sending": {
    rules: ["R2", "D2"],
    breaks: "a leader counts what it has sent as what its follower holds",
    check: "D2 committed is durable on a majority",
    patches: [
      patch(Progress.prototype, Progress.prototype.sent, (original) => {
        return function sent(lastIndex, bytes, nowMs) {
          original.call(this, lastIndex, bytes, nowMs);
          if (this.state === "replicate") this.matchIndex = Math.max(this.matchIndex, lastIndex);
        };
      }),
    ],
  },
};

function truncating(from: (log: RaftLog, message: AppendRequest) => number) {
  return patch(Raft.prototype, Raft.prototype["appendEntries"], (original) => {
    return function appendEntries(message) {
      const first = from(this.log, message);
      if (message.entries.length > 0 && first > this.log.compacted.index && first <= this.log.lastIndex) {
        this.log.truncate(first);
        this["outbox"].truncate(first);
      }
      return original.call(this, message);
    };
  });
}
