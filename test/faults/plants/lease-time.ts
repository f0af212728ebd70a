import { GroupHost } from "../../../src/engine/group-host.ts";
import { LeaseTime } from "../../../src/raft/lease-time.ts";
import { raftOnly } from "../messages.ts";
import { withApply } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** Leases that end too early (PROTOCOLS T1, T2). */
export const leaseTimePlants: Plants = {
  "racing-lease-time": {
    rules: ["T1"],
    breaks: "lease time runs faster than the leader's clock",
    check: "T1 lease time runs only under a leader",
    message: raftOnly((message) => {
      return message.type === "heartbeat" ? { ...message, leaseTimeMs: message.leaseTimeMs * 2 } : message;
    }),
  },
  "jumps-with-the-clock": {
    rules: ["T1"],
    breaks: "a confirmed round adds all that the leader's clock says, after a jump or a pause, too",
    check: "T1 lease time runs no faster than a majority confirms",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.confirmed, () => {
        return function confirmed(sentAtMs) {
          const countedToMs = this["countedToMs"];
          if (countedToMs === undefined || sentAtMs <= countedToMs) return;
          if (!this.halted) this["valueMs"] += sentAtMs - countedToMs;
          this["countedToMs"] = sentAtMs;
        };
      }),
    ],
  },
  "runs-unconfirmed": {
    rules: ["T1"],
    breaks: "lease time runs without a majority's word",
    check: "T1 lease time runs no faster than a majority confirms",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.observe, (original) => {
        return function observe(localMs) {
          original.call(this, localMs);
          this.confirmed(localMs);
        };
      }),
    ],
  },
  "runs-before-noop": {
    rules: ["T1"],
    breaks: "lease time runs before the new leader's no-op has committed",
    check: "T1 lease time runs once the no-op has committed",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.resume, (original) => {
        return function resume(term, last) {
          original.call(this, term, last);
          this.start();
        };
      }),
    ],
  },
  "resumes-from-hearsay": {
    rules: ["T1"],
    breaks: "a new leader resumes from the largest lease time that it ever heard, whoever said it",
    check: "T1 a new leader resumes where its log left off",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.heard, () => {
        return function heard(leaseTimeMs, term) {
          this["valueMs"] = Math.max(this["valueMs"], leaseTimeMs);
          this["term"] = term;
        };
      }),
      patch(LeaseTime.prototype, LeaseTime.prototype.resume, () => {
        return function resume(term, last) {
          this["valueMs"] = Math.max(this["valueMs"], last.leaseTimeMs);
          this["term"] = term;
        };
      }),
    ],
  },
  "resumes-anew": {
    rules: ["T1"],
    breaks: "a new leader begins at its own clock",
    check: "T1 lease time runs only under a leader",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.resume, (original) => {
        return function resume(term, last) {
          original.call(this, term, { ...last, leaseTimeMs: Math.max(last.leaseTimeMs, this["localMs"]) });
        };
      }),
    ],
  },
  "stamps-the-past": {
    rules: ["T1"],
    breaks: "an entry carries the lease time of the last confirmed round, so its leases begin before it was asked for",
    check: "T1 no failure shortens a lease",
    patches: [
      patch(LeaseTime.prototype, LeaseTime.prototype.stamp, () => {
        return function stamp() {
          return this.nowMs;
        };
      }),
    ],
  },
  "expires-by-local-clock": {
    rules: ["T2"],
    breaks: "a replica expires leases by its own clock",
    check: "the table is what the log makes it",
    machine: (machine, { localMs }) =>
      withApply(machine, (entry, emit) => {
        machine.apply(entry.kind === "time" ? { ...entry, leaseTimeMs: Math.floor(localMs()) } : entry, emit);
      }),
  },
  "every-entry-expires": {
    rules: ["T2"],
    breaks: "any entry ends what is due, and not a time entry alone",
    check: "lock safety",
    machine: (machine) =>
      withApply(machine, (entry, emit) => {
        if (entry.kind === "command") {
          machine.apply({ ...entry, kind: "time", payload: new Uint8Array(0), index: entry.index - 0.5 }, emit);
        }
        machine.apply(entry, emit);
      }),
  },
  "expires-before-keepalive": {
    rules: ["T2"],
    breaks: "a time entry goes before the keepalives of its turn",
    check: "T2 what came in goes before the time entry",
    patches: [
      patch(GroupHost.prototype, GroupHost.prototype["pumpAsLeader"], (original) => {
        return function pumpAsLeader(nowMs) {
          this["entries"].proposeTime();
          original.call(this, nowMs);
        };
      }),
    ],
  },
};
