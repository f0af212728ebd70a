import { Election } from "../../../src/raft/election.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { Raft } from "../../../src/raft/raft.ts";
import { hastyTransfer, raftOnly, withLongLog } from "../messages.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** Who leads, and who must not (PROTOCOLS R1, R2; Raft §5.2, §5.4.1; thesis §3.10). */
export const electionPlants: Plants = {
  "grants-every-vote": {
    rules: ["R2"],
    breaks: "a replica grants every vote that it is asked for (Raft §5.2)",
    check: "D1 a vote is durable before it leaves",
    message: raftOnly((message) => (message.type === "voteReply" ? { ...message, granted: true } : message)),
  },
  "votes-for-short-logs": {
    rules: ["R2"],
    breaks: "votes go to candidates whose log is behind (Raft §5.4.1)",
    check: "leader completeness",
    message: raftOnly((message) => {
      if (message.type !== "voteRequest" && message.type !== "preVoteRequest") return message;
      return withLongLog(message);
    }),
  },
  "favoured-transfer": {
    rules: ["R2"],
    breaks: "a vote that the leader asked for goes to a candidate whose log is behind (Raft §5.4.1)",
    check: "leader completeness",
    message: raftOnly((message) => {
      const sent = hastyTransfer(message);
      return sent.type === "voteRequest" && sent.transfer === true ? withLongLog(sent) : sent;
    }),
  },
  "hasty-transfer": {
    rules: ["R1"],
    breaks: "leaders tell followers to lead whether or not these are behind, again and again (thesis §3.10)",
    message: raftOnly(hastyTransfer),
    harmless: true,
  },
  "vote-forgotten-on-step-down": {
    rules: ["R2", "D1"],
    breaks: "a candidate that hears of the leader of its term forgets whom it voted for",
    check: "D1 term and vote are kept",
    classic: "vote forgotten on a step-down within the term",
    patches: [
      patch(Raft.prototype, Raft.prototype["becomeFollower"], (original) => {
        return function becomeFollower(term, leader) {
          const forgets = term === this.term && this.role !== "follower" && this.vote !== 0;
          original.call(this, term, leader);
          if (forgets) this["ballot"]["set"]({ term, vote: 0 });
        };
      }),
    ],
  },
  "stale-vote-replies": {
    rules: ["R2"],
    breaks: "a vote of an earlier term counts in this one",
    check: "R2 a leader has the votes of a majority",
    classic: "stale vote replies counted",
    patches: [
      patch(Raft.prototype, Raft.prototype.step, (original) => {
        return function step(message) {
          if (message.type === "voteReply" && message.term < this.term) {
            this["countVote"]("vote", message.from, this.term, message.granted);
          } else original.call(this, message);
        };
      }),
    ],
  },
  "one-vote-twice": {
    rules: ["R2"],
    breaks: "a vote that comes twice counts twice",
    check: "R1 who stands for election has asked first",
    patches: [
      patch(Election.prototype, Election.prototype.count, (original) => {
        return function count(from, granted) {
          const again = granted && this["granted"].has(from);
          // Somebody who has not answered yet.
          const other = again ? this["voters"].find((voter) => !this["granted"].has(voter)) : undefined;
          original.call(this, other ?? from, granted);
        };
      }),
    ],
  },
  "pre-vote-enters-term": {
    rules: ["R1"],
    breaks: "who is asked for a pre-vote enters the term that is only probed",
    check: "liveness",
    classic: "rejoin disrupts a healthy leader",
    patches: [
      patch(Raft.prototype, Raft.prototype["enterTerm"], (original) => {
        return function enterTerm(message) {
          if (message.type === "preVoteRequest") this["becomeFollower"](message.term, 0);
          return original.call(this, message);
        };
      }),
    ],
  },
  "no-pre-vote": {
    rules: ["R1"],
    breaks: "a replica that hears nobody enters term after term, and brings the last one along when it is back",
    check: "R1 who stands for election has asked first",
    patches: [
      patch(Raft.prototype, Raft.prototype["campaign"], (original) => {
        return function campaign(_phase, transfer) {
          original.call(this, "vote", transfer);
        };
      }),
      patch(Raft.prototype, Raft.prototype["hearsLeader"], () => () => false),
    ],
  },
  "no-check-quorum": {
    rules: ["R1"],
    breaks: "a leader that hears nobody goes on, and keeps those who hear it from electing another",
    check: "R1 a leader that hears no majority steps down",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.tick, (original) => {
        return function tick(nowMs, countedMs, joins) {
          original.call(this, nowMs, countedMs, joins);
          return true;
        };
      }),
    ],
  },
  "silent-to-lower-terms": {
    rules: ["R1"],
    breaks: "messages of lower terms get no answer, so who is ahead of its cluster is stuck",
    check: "liveness",
    patches: [
      patch(Raft.prototype, Raft.prototype.step, (original) => {
        return function step(message) {
          if (message.term >= this.term) original.call(this, message);
        };
      }),
    ],
  },
};
