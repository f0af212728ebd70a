import { encodeCommand } from "../../src/locks/codec.ts";
import { openDataDirectory } from "../../src/io/data-directory.ts";
import { FileVolume } from "../../src/io/file-volume.ts";
import { SnapshotDirectory } from "../../src/io/snapshot-directory.ts";
import type { LockMachine } from "../../src/locks/lock-machine.ts";
import type { LockCommand } from "../../src/locks/types.ts";
import type { Configuration, Entry, LogPoint, Snapshot } from "../../src/raft/types.ts";
import type { LogRecord } from "../../src/wal/records.ts";
import type { SegmentedLog } from "../../src/wal/log.ts";
import { openLog } from "../../src/wal/open-log.ts";
import { SnapshotWriter } from "../../src/wal/snapshot-writer.ts";
import { countingIdentity } from "./wal.ts";

const INGRESS = 77;

/** Entries of one term, by a process that numbers its operations: the first registers it. */
export function commandEntries(first: number, term: number, commands: readonly LockCommand[]): Entry[] {
  return commands.map((command, i) => {
    const envelope = { ingress: INGRESS, sequence: first + i, floor: 1, idempotencyKey: undefined, command };
    const index = first + i;
    return { index, term, kind: "command", leaseTimeMs: 10 * index, payload: encodeCommand(envelope) };
  });
}

export const registration: LockCommand = { type: "registerIngress", node: "node1" };

export function exclusive(lock: string, owner: string, waitMs = 0): LockCommand {
  return {
    ...{ type: "acquire", lock, mode: "exclusive", principal: { kind: "owner", name: owner } },
    ...{ ttlMs: 86_400_000, waitMs },
  };
}

/** Three nodes; nobody ever had replica 9. */
export const threeNodes: Configuration = {
  voters: [1, 2, 3],
  learners: [],
  facts: {
    nextReplica: 9,
    nodes: new Map(
      [1, 2, 3].map((replica) => [
        replica,
        {
          nodeId: `node${replica}`,
          incarnation: replica,
          peerAddress: { host: "127.0.0.1", port: 9_000 + replica },
          clientAddress: undefined,
        },
      ]),
    ),
  },
};

export interface NodeData {
  readonly path: string;
  readonly nodeId?: string;
  readonly records: readonly LogRecord[];
  /** A state to begin with, and the entry as of which it is. */
  readonly snapshot?: { readonly machine: LockMachine; readonly point: LogPoint };
  /** Absent: none. */
  readonly shards?: number;
}

/** The data directory of a node that was killed. */
export async function writeNodeData({
  path,
  nodeId = "node2",
  records,
  snapshot,
  shards = 0,
}: NodeData): Promise<void> {
  const directory = openDataDirectory(path, {
    ...{ nodeId, clusterName: undefined, clusterId: undefined },
    identity: () => 12_345,
    fresh: () => ({ clusterId: "c0", clusterName: "orders", nodeId, replica: 2, membership: threeNodes, shards }),
  });
  if (snapshot !== undefined) {
    const files = new SnapshotDirectory(directory.snapshotDirectory);
    await writeSnapshot(files, snapshot);
    await files.close();
  }
  const volume = new FileVolume(directory.logDirectory);
  const log = await opened(volume);
  await flushed(log, records);
  await volume.close();
  directory.close();
}

async function writeSnapshot(
  files: SnapshotDirectory,
  { machine, point }: NonNullable<NodeData["snapshot"]>,
): Promise<void> {
  const writer = new SnapshotWriter(files, 0, { ...point, configuration: threeNodes });
  for (const bytes of machine.snapshot()) writer.write(bytes);
  const { promise, resolve, reject } = Promise.withResolvers<Snapshot | undefined>();
  writer.finish((error, made) => (error === undefined ? resolve(made) : reject(error)));
  await promise;
}

function opened(volume: FileVolume): Promise<SegmentedLog> {
  const { promise, resolve, reject } = Promise.withResolvers<SegmentedLog>();
  openLog(volume, { identity: countingIdentity(), segmentBytes: 64 * 1024 }, (error, log) => {
    if (log === undefined) reject(error ?? new Error("no log"));
    else resolve(log);
  });
  return promise;
}

function flushed(log: SegmentedLog, records: readonly LogRecord[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  log.flush(records, (error) => (error === undefined ? resolve() : reject(error)));
  return promise;
}
