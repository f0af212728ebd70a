import { FeatureLevels } from "../../../src/engine/feature-levels.ts";
import { Leadership } from "../../../src/raft/leadership.ts";
import { diesUnseen, meansDeath, poisoned, skipping, unordered } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** All logs of a run reach it, nearly always. */
const POISON_INDEX = 30;

/** Replicas that differ, that die of an entry, or take more than they can hold (PROTOCOLS R7–R9). */
export const replicaPlants: Plants = {
  "poison-entry": {
    rules: ["R7"],
    breaks: "the state machine throws for an entry, after it has changed something",
    machine: (machine, { upgraded }) => (upgraded ? machine : poisoned(machine, POISON_INDEX)),
    meansDeath,
    poisonIndex: POISON_INDEX,
    harmless: true,
  },
  "deadly-entry": {
    rules: ["R7"],
    breaks: "an entry kills the process that applies it, which can leave no word",
    machine: (machine, { upgraded }) => (upgraded ? machine : poisoned(machine, POISON_INDEX)),
    journal: diesUnseen,
    meansDeath,
    poisonIndex: POISON_INDEX,
    harmless: true,
  },
  "order-of-a-map": {
    rules: ["R7"],
    breaks: "what is due at one moment ends in an order that is each replica's own",
    check: "R8 equal states have equal hashes",
    classic: "state depends on the order of a map, time or chance",
    machine: (machine, { node }) => (node === 2 ? unordered(machine) : machine),
  },
  "raises-for-itself": {
    rules: ["R7"],
    breaks: "a leader raises the feature level to what it knows itself",
    check: "R7 a feature level is raised when all know it",
    patches: [
      patch(FeatureLevels.prototype, FeatureLevels.prototype.common, () => {
        return function common() {
          return this.own;
        };
      }),
    ],
  },
  "diverging-replica": {
    rules: ["R8"],
    breaks: "one replica loses the effect of an entry",
    check: "R8 replicas have one state",
    machine: (machine, { node }) => (node === 2 ? skipping(machine, 20) : machine),
    comparesNothing: true,
  },
  "diverging-replicas": {
    rules: ["R8"],
    breaks: "every replica loses the effect of another entry",
    check: "R8 replicas have one state",
    machine: (machine, { node }) => skipping(machine, 20 + node),
    comparesNothing: true,
  },
  "refuses-keepalives": {
    rules: ["R9"],
    breaks: "under load a leader refuses what keeps alive and gives back, as all else",
    check: "R9 what keeps alive is not refused for load",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.propose, (original) => {
        return function propose(kind, payload) {
          return original.call(this, kind, payload, false);
        };
      }),
    ],
  },
  "unbounded-proposals": {
    rules: ["R9"],
    breaks: "without a majority a leader takes proposals without end",
    check: "R9 what is not committed is bounded",
    classic: "memory unbounded without a quorum",
    patches: [
      patch(Leadership.prototype, Leadership.prototype.propose, (original) => {
        return function propose(kind, payload, reserved) {
          this["uncommittedBytes"] = 0;
          return original.call(this, kind, payload, reserved);
        };
      }),
    ],
  },
};
