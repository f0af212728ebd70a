import type { StateMachine } from "../engine/state-machine.ts";
import { unreachable } from "../kernel/assert.ts";
import { LockMachine } from "../locks/lock-machine.ts";
import type { GroupId } from "../raft/types.ts";

/** What a group is for. `control`: members and locks; `queue`: one of the shards that queues are spread over. */
export type GroupKind = "control" | "queue";

/** The one group of its kind, on every node. */
export const CONTROL_GROUP: GroupId = 0;

export function kindOf(group: GroupId): GroupKind {
  return group === CONTROL_GROUP ? "control" : "queue";
}

/** Makes a state machine that has applied nothing; undefined: this release has none for that group. */
export type MachineFor = (group: GroupId) => StateMachine<unknown> | undefined;

/** All of a cluster with so many shards. */
export function groupsOf(shards: number): GroupId[] {
  return Array.from({ length: 1 + shards }, (_, i) => CONTROL_GROUP + i);
}

/**
 * A state machine that has applied nothing.
 *
 * @returns undefined: this release has none of that kind
 */
export function machineOf(kind: GroupKind): StateMachine<unknown> | undefined {
  switch (kind) {
    case "control":
      return new LockMachine();
    case "queue":
      return undefined;
    default:
      return unreachable(kind);
  }
}
