import { join } from "node:path";
import type { StateMachine } from "../engine/state-machine.ts";
import { FilePages } from "../io/file-pages.ts";
import { unreachable } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import { LockMachine } from "../locks/lock-machine.ts";
import { QueueMachine } from "../queue/queue-machine.ts";
import type { GroupId } from "../raft/types.ts";
import { randomId } from "./random-id.ts";

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
 * @param directory where it may keep what is too much for memory, in files that nobody else sees; undefined: all is kept in memory
 */
export function machineOf(kind: GroupKind, directory?: string): StateMachine<unknown> {
  switch (kind) {
    case "control":
      return new LockMachine();
    case "queue":
      return directory === undefined ? new QueueMachine() : newQueueMachine(directory);
    default:
      return unreachable(kind);
  }
}

/** Its long backlogs are on disk. */
export function newQueueMachine(directory: string): QueueMachine {
  return new QueueMachine(limits, () => new FilePages(join(directory, `pages-${randomId()}.tmp`)));
}
