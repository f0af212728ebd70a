import { FeatureLevels } from "../../../src/engine/feature-levels.ts";
import { type Members, MembersInForce } from "../../../src/engine/members.ts";
import { Membership } from "../../../src/engine/membership.ts";
import { Configurations, encodeConfiguration, withoutNode } from "../../../src/raft/configuration.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { Raft } from "../../../src/raft/raft.ts";
import type { Configuration } from "../../../src/raft/types.ts";
import { patch, patchGetter } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** A leader that asks nobody whether it may. */
function append(leadership: Leadership, configuration: Configuration): "accepted" {
  leadership["appendEntry"]("configuration", encodeConfiguration(configuration));
  leadership["followers"].reconfigure(configuration, leadership["log"].lastIndex);
  leadership.advanceCommit();
  return "accepted";
}

/** What nodes take for the members of the group, and which programs count (PROTOCOLS R5, M1, R7). */
export const configurationPlants: Plants = {
  "two-leave-at-once": {
    rules: ["R5"],
    breaks: "with a voter that is removed another one is removed",
    check: "R5 a change is by one replica",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.proposeConfiguration, (original) => {
        return function proposeConfiguration(configuration) {
          const { index, configuration: before } = this["log"].configurations.current;
          const isBusy = !this.established || this.transferee !== 0 || index > this["log"].commitIndex;
          const [, second, third] = configuration.voters;
          if (
            isBusy ||
            third === undefined ||
            second === undefined ||
            configuration.voters.length >= before.voters.length
          ) {
            return original.call(this, configuration);
          }
          const voters = configuration.voters.filter((voter) => voter !== second);
          const facts = withoutNode(configuration, second);
          return append(this, { voters, learners: configuration.learners, ...(facts !== undefined && { facts }) });
        };
      }),
    ],
  },
  "leads-on": {
    rules: ["R5"],
    breaks: "a leader goes on when its removal has committed",
    check: "R5 a leader that was removed steps down",
    patches: [
      patchGetter(Leadership.prototype, "isOver", () => () => false),
      // It seldom is one: who is to be removed lets another one lead first.
      patch(Membership.prototype, Membership.prototype["step"], (original) => {
        return function step(work, nowMs) {
          return original.call(this, Object.assign(work, { gaveWay: true }), nowMs);
        };
      }),
    ],
  },
  "elects-by-committed": {
    rules: ["R5"],
    breaks: "a candidate asks those who counted as far as it knows of commits",
    check: "R2 a leader has the votes of a majority",
    patches: [
      patchGetter(Raft.prototype, "configuration", () => {
        return function (this: Raft) {
          return this.log.configurations.at(this.log.commitIndex);
        };
      }),
    ],
  },
  "keeps-what-is-truncated": {
    rules: ["R5"],
    breaks: "a configuration stays in force when its entry is truncated",
    check: "R5 in force is the newest configuration of the log",
    patches: [
      patch(Configurations.prototype, Configurations.prototype.truncate, () => {
        return function truncate() {};
      }),
      patch(Configurations.prototype, Configurations.prototype.append, () => {
        return function append(index, configuration) {
          this["list"] = this["list"].filter((each) => each.index < index);
          this["list"].push({ index, configuration });
        };
      }),
    ],
  },
  "snapshot-without-members": {
    rules: ["R5"],
    breaks: "a snapshot is put in force without what it says of the members",
    check: "R5 in force is the newest configuration of the log",
    patches: [
      patch(Configurations.prototype, Configurations.prototype.restart, () => {
        return function restart(index) {
          this["list"] = [{ index, configuration: this.current.configuration }];
        };
      }),
    ],
  },
  "forgets-with-the-log": {
    rules: ["R5"],
    breaks: "a log that forgets its start falls back to the configuration with which it began",
    check: "R5 in force is the newest configuration of the log",
    patches: [
      patch(Configurations.prototype, Configurations.prototype.compactTo, () => {
        return function compactTo(index) {
          const [first] = this["list"];
          const later = this["list"].filter((each) => each.index > index);
          if (first !== undefined) this["list"] = [first, ...later];
        };
      }),
    ],
  },
  "old-ids-for-new-nodes": {
    rules: ["M1"],
    breaks: "a node that joins gets the lowest id that nobody has now",
    check: "M1 no replica has the id of one that has left",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.proposeConfiguration, (original) => {
        return function proposeConfiguration(configuration) {
          return original.call(this, withLowestId(this["log"].configurations.current.configuration, configuration));
        };
      }),
    ],
  },
  "tells-members-to-leave": {
    rules: ["M1"],
    breaks: "who is not in the newest configuration counts as gone before that has committed",
    check: "M1 only who has left is told so",
    patches: [
      patchGetter<MembersInForce, Members>(MembersInForce.prototype, "current", (original) => {
        return function () {
          const { configuration, replicas, onlyVoter } = original.call(this);
          const { voters, learners, facts } = configuration;
          const kept = new Map([...replicas].filter(([replica]) => [...voters, ...learners].includes(replica)));
          return { configuration, replicas: kept, onlyVoter, settledBelow: facts?.nextReplica ?? 0 };
        };
      }),
    ],
  },
  "raises-without-learners": {
    rules: ["R7"],
    breaks: "the feature level rises without regard to what learners know",
    check: "R7 a feature level is raised when all know it",
    patches: [
      patch(FeatureLevels.prototype, FeatureLevels.prototype.common, (original) => {
        return function common({ voters }, self) {
          return original.call(this, { voters, learners: [] }, self);
        };
      }),
    ],
  },
  "promotes-who-is-behind": {
    rules: ["R7"],
    breaks: "a learner becomes a voter though its program does not know the feature level",
    check: "R7 no voter is behind the feature level",
    patches: [
      patch(FeatureLevels.prototype, FeatureLevels.prototype.knows, () => {
        return function knows(peer) {
          return this["peers"].has(peer);
        };
      }),
    ],
  },
};

function withLowestId(before: Configuration, after: Configuration): Configuration {
  const joined = after.learners.find((each) => !before.learners.includes(each) && !before.voters.includes(each));
  const node = joined === undefined ? undefined : after.facts?.nodes.get(joined);
  if (joined === undefined || node === undefined || after.facts === undefined) return after;
  const taken = new Set([...before.voters, ...before.learners]);
  let lowest = 1;
  while (taken.has(lowest)) lowest++;
  const nodes = new Map(after.facts.nodes);
  nodes.delete(joined);
  nodes.set(lowest, node);
  return {
    voters: after.voters,
    learners: after.learners.map((each) => (each === joined ? lowest : each)),
    facts: { nextReplica: after.facts.nextReplica, nodes },
  };
}
