import { GroupHost } from "../../../src/engine/group-host.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { Rounds } from "../../../src/raft/rounds.ts";
import { viewOf, Workload } from "../../../src/sim/workload.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** Reads that are older than they say (PROTOCOLS R4; thesis §6.4). */
export const readPlants: Plants = {
  "local-reads": {
    rules: ["R4"],
    breaks: "a read is answered from local state without asking the leader",
    check: "R4 a read sees what was acknowledged before it",
    patches: [
      patch(GroupHost.prototype, GroupHost.prototype.readBarrier, () => {
        return function readBarrier(_nowMs, done) {
          done(this.raft.log.appliedIndex);
        };
      }),
    ],
  },
  "early-look": {
    rules: ["R4"],
    breaks: "a read answers with what it saw before the leader was asked, and says that it is newer",
    check: "linearizability",
    patches: [
      patch(Workload.prototype, Workload.prototype["look"], () => {
        return function look({ host, engine, locks }, name, told) {
          const view = viewOf(locks, name);
          host.readBarrier(engine.nowMs(), (index) => told(index, view));
        };
      }),
    ],
  },
  "lease-reads": {
    rules: ["R4"],
    breaks: "a leader that has heard a majority of late answers reads without asking; it counts by its own ticks",
    check: "R4 a read sees what was acknowledged before it",
    classic: "lease read under a pause",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.read, (original) => {
        return function read(id) {
          const isLeased = this["sinceQuorumCheckMs"] < 0.9 * this["options"].electionTimeoutMs;
          if (this.established && isLeased) this["outbox"].readReady(id, this["log"].commitIndex);
          else original.call(this, id);
        };
      }),
    ],
  },
  "joins-open-round": {
    rules: ["R4"],
    breaks: "a read joins a round whose messages had left before it came",
    check: "R4 a read sees what was acknowledged before it",
    patches: [
      patch(Rounds.prototype, Rounds.prototype.read, (original) => {
        return function read(id) {
          const open = this["open"].at(-1);
          if (open === undefined) original.call(this, id);
          else this["open"][this["open"].length - 1] = { ...open, reads: [...open.reads, id] };
        };
      }),
    ],
  },
  "any-answer-confirms": {
    rules: ["R4"],
    breaks: "an answer to an earlier round confirms the newest",
    check: "T1 lease time runs no faster than a majority confirms",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.heartbeatReply, (original) => {
        return function heartbeatReply(message, nowMs) {
          const round = message.round === 0 ? 0 : this["rounds"].lastRound;
          original.call(this, { ...message, round }, nowMs);
        };
      }),
    ],
  },
  "reads-before-noop": {
    rules: ["R4"],
    breaks: "a new leader answers reads before it knows what is committed",
    check: "R4 a read sees what was acknowledged before it",
    patches: [
      patch(Rounds.prototype, Rounds.prototype.begin, (original) => {
        return function begin(nowMs, readIndex) {
          return original.call(this, nowMs, readIndex, true);
        };
      }),
    ],
  },
};
