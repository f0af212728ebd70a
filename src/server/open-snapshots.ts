import type { SnapshotPorts, SnapshotNews } from "../engine/group-snapshots.ts";
import { SnapshotQueue } from "../engine/snapshot-queue.ts";
import type { DataDirectory } from "../io/data-directory.ts";
import { SnapshotDirectory } from "../io/snapshot-directory.ts";
import { unreachable } from "../kernel/assert.ts";
import { SnapshotStore } from "../wal/snapshot-store.ts";
import type { Logger } from "./running-node.ts";
import { WorkerSnapshotMaker } from "./worker-snapshot-maker.ts";

/**
 * The snapshots of a data directory: checks every byte of those that count.
 *
 * @param opened takes what must be closed again
 * @param log is told of files that are damaged
 * @throws {SnapshotFormatError} and what the operating system says
 */
export function openSnapshots(
  { logDirectory, snapshotDirectory }: DataDirectory,
  opened: (close: () => Promise<void>) => void,
  log: Logger,
): SnapshotPorts {
  const files = new SnapshotDirectory(snapshotDirectory);
  opened(() => files.close());
  files.sweep();
  const store = new SnapshotStore(files, (name) => `${snapshotDirectory}/${name}`);
  for (const group of store.recovered.keys()) {
    for (const file of store.damaged(group)) {
      log.warn(
        { group, file },
        "a snapshot is damaged, and not used: the one before it takes its place, or the other nodes'",
      );
    }
  }
  const maker = new WorkerSnapshotMaker({ logDirectory, snapshotDirectory, files });
  opened(() => maker.close());
  return { store, maker: new SnapshotQueue(maker) };
}

/** For the log of the node. */
export function tellSnapshot(log: Logger, group: number, news: SnapshotNews): void {
  switch (news.type) {
    case "taken": {
      const { index, totalBytes: bytes } = news.snapshot;
      log.info({ group, index, bytes, durationMs: Math.round(news.durationMs) }, "snapshot taken");
      return;
    }
    case "installed": {
      const { index, totalBytes: bytes } = news.snapshot;
      log.info({ group, index, bytes }, "took over the leader's snapshot");
      return;
    }
    case "failed": {
      const { reason, message } = news.failure;
      const text = `no snapshot could be taken (${message}): the log grows until one can`;
      const facts = { group, index: news.index, reason };
      if (reason === "noRoom") log.warn(facts, text);
      else log.error(facts, text);
      return;
    }
    case "refused":
      log.warn(
        { group, index: news.snapshot.index, error: news.error.message },
        "the leader's snapshot is not taken over",
      );
      return;
    default:
      unreachable(news);
  }
}
