import { Membership } from "../../../src/engine/membership.ts";
import { Configurations, encodeConfiguration, isOneStep } from "../../../src/raft/configuration.ts";
import { Followers } from "../../../src/raft/followers.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { type Patch, patch, patchGetter } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** Who counts, and since when (PROTOCOLS R5; Raft §6; thesis §4). */
export const memberPlants: Plants = {
  "changes-before-its-noop": {
    rules: ["R5"],
    breaks: "a new leader changes the members before an entry of its term has committed",
    check: "R5 no change before an entry of the term has committed",
    classic: "single-server membership change, 2015",
    patches: [
      patchGetter(Membership.prototype, "isIdle", () => {
        return function isIdle() {
          const { transferee, log } = this["raft"];
          return transferee === 0 && log.configurations.current.index <= log.commitIndex;
        };
      }),
      unguarded((leadership) => {
        const { configurations, commitIndex } = leadership["log"];
        return configurations.current.index <= commitIndex;
      }),
    ],
  },
  "two-changes-at-once": {
    rules: ["R5"],
    breaks: "a leader begins a change before the one before it has committed",
    check: "R5 one change at a time",
    patches: [
      patchGetter(Membership.prototype, "isIdle", () => {
        return function isIdle() {
          return this["raft"].established && this["raft"].transferee === 0;
        };
      }),
      unguarded((leadership) => leadership.established),
    ],
  },
  "removed-leader-counts-itself": {
    rules: ["R5"],
    breaks: "a leader counts itself for commits although its newest configuration leaves it out",
    check: "D2 committed is durable on a majority",
    classic: "removed leader counts itself",
    patches: [
      patch(Followers.prototype, Followers.prototype.reconfigure, (original) => {
        return function reconfigure(configuration, nextIndex) {
          original.call(this, configuration, nextIndex);
          this["selfVotes"] = true;
        };
      }),
    ],
  },
  "learners-count": {
    rules: ["R5"],
    breaks: "what learners hold counts as what voters hold",
    check: "D2 committed is durable on a majority",
    patches: [
      patch(Followers.prototype, Followers.prototype.reconfigure, (original) => {
        return function reconfigure(configuration, nextIndex) {
          original.call(this, configuration, nextIndex);
          this["voters"] = [...this["all"].values()];
        };
      }),
    ],
  },
  "counts-those-of-old": {
    rules: ["R5"],
    breaks: "a leader goes on counting those who were voters when its term began",
    check: "D2 committed is durable on a majority",
    patches: [
      patch(Followers.prototype, Followers.prototype.reconfigure, (original) => {
        return function reconfigure(configuration, nextIndex) {
          const { voters, selfVotes } = { voters: this["voters"], selfVotes: this["selfVotes"] };
          original.call(this, configuration, nextIndex);
          if (voters.length === 0) return;
          this["voters"] = voters;
          this["selfVotes"] = selfVotes;
        };
      }),
    ],
  },
  "members-survive-truncation": {
    rules: ["R5"],
    breaks: "a configuration stays in force whose entry is truncated",
    check: "M1 only who has left is told so",
    patches: [
      patch(Configurations.prototype, Configurations.prototype.truncate, () => {
        return function truncate() {};
      }),
    ],
  },
};

/** Proposes a configuration whenever it is `able`. */
function unguarded(able: (leadership: Leadership) => boolean): Patch {
  return patch(Leadership.prototype, Leadership.prototype.proposeConfiguration, () => {
    return function proposeConfiguration(configuration) {
      if (!able(this)) return "busy";
      if (!isOneStep(this["log"].configurations.current.configuration, configuration)) return "invalid";
      const payload = encodeConfiguration(configuration);
      if (!this["options"].room.take("configuration", payload.length)) return "noRoom";
      this["appendEntry"]("configuration", payload);
      this["followers"].reconfigure(configuration, this["log"].lastIndex);
      this["advanceCommit"]();
      return "accepted";
    };
  });
}
