import { assert } from "../kernel/assert.ts";
import { DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { SnapshotFormatError } from "../wal/errors.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import type { StateMachine } from "./state-machine.ts";

/**
 * At the start, all at once: nobody waits for this node yet. The store has checked every byte.
 *
 * @throws {SnapshotFormatError} when this program cannot read it
 */
export function restoreNewest(
  machine: StateMachine<unknown>,
  store: SnapshotStore,
  group: GroupId,
  snapshot: Snapshot,
): void {
  const restoration = machine.restore();
  try {
    for (let at = 0; at < snapshot.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, snapshot.totalBytes - at);
      const bytes = store.read(group, snapshot, at, length);
      assert(bytes !== undefined, "the newest snapshot is kept");
      restoration.take(bytes);
    }
    restoration.finish();
  } catch (error) {
    if (error instanceof DecodeError) throw new SnapshotFormatError(store.path(group, snapshot));
    throw error;
  }
}
