import { ApiError } from "../api/errors.ts";
import type { SnapshotFailure, SnapshotMade } from "../engine/snapshot-maker.ts";
import { limits } from "../kernel/limits.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { BackupWriter } from "../wal/backup-format.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import { type ControlGroup, GroupError } from "./control-group.ts";
import { apiErrorOf } from "./group-errors.ts";
import { version } from "./version.ts";

/** A group of this node. */
export interface BackupSource {
  readonly group: GroupId;
  /** This node has a replica of it. */
  isHere(): boolean;
  /** Resolves when what is applied here covers all that was acknowledged before (PROTOCOLS R4). @throws {GroupError} */
  readBarrier(): Promise<unknown>;
  /** Makes a snapshot of all that is applied here by now. */
  take(done: SnapshotMade): void;
}

/** A group's state, whose bytes stay where they are until it is released. */
interface Held {
  readonly group: GroupId;
  readonly snapshot: Snapshot;
  readonly release: () => void;
}

export interface BackupsOptions {
  readonly group: ControlGroup;
  /** All groups, by number. */
  readonly sources: readonly BackupSource[];
  readonly store: Pick<SnapshotStore, "pin" | "read">;
  readonly cluster: () => { readonly clusterName: string; readonly clusterId: string };
  readonly wallMs: () => number;
}

/**
 * Gives backups of this node's groups to whoever asks, one at a time: each group's state as of one entry, which covers all that
 * was acknowledged before (PROTOCOLS M2), but not the same instant for all of them. It is a snapshot like every other, made in a thread of its own and read from its file.
 */
export class Backups {
  private underWay = false;

  constructor(private readonly options: BackupsOptions) {}

  /**
   * @param signal aborts when the client goes away
   * @returns the bytes of a backup, made as fast as they are taken
   * @throws {ApiError} when there is none to be had now
   */
  async open(signal: AbortSignal): Promise<ReadableStream<Uint8Array>> {
    if (this.underWay) throw new ApiError("backup_under_way");
    this.underWay = true;
    const held: Held[] = [];
    const end = (): void => {
      for (const { release } of held) release();
      this.underWay = false;
    };
    try {
      const askedAtMs = this.options.wallMs();
      for (const source of this.options.sources) {
        held.push(await this.hold(source));
        if (signal.aborted) throw new GroupError("aborted");
      }
      return streamOf(this.pieces(held, askedAtMs), signal, end);
    } catch (error) {
      end();
      throw apiErrorOf(error, this.options.group);
    }
  }

  private async hold(source: BackupSource): Promise<Held> {
    const { group } = source;
    if (!source.isHere()) throw elsewhere(group);
    await source.readBarrier();
    const snapshot = await taken(source);
    return { group, snapshot, release: this.options.store.pin(group, snapshot) };
  }

  private *pieces(groups: readonly Held[], wallMs: number): Generator<Uint8Array, void> {
    const { clusterName, clusterId } = this.options.cluster();
    const writer = new BackupWriter();
    yield writer.head({ clusterName, clusterId, version, wallMs, groups: groups.length });
    for (const { group, snapshot } of groups) {
      yield writer.group(group, snapshot);
      for (const bytes of this.content(group, snapshot)) yield writer.content(bytes);
    }
    yield writer.end();
  }

  private *content(group: GroupId, snapshot: Snapshot): Generator<Uint8Array, void> {
    for (let at = 0; at < snapshot.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, snapshot.totalBytes - at);
      const bytes = this.options.store.read(group, snapshot, at, length);
      if (bytes?.length !== length) throw new Error("a snapshot that is read out for a backup is cut short");
      yield bytes;
    }
  }
}

function taken(source: BackupSource): Promise<Snapshot> {
  const { promise, resolve, reject } = Promise.withResolvers<Snapshot>();
  source.take((failure, snapshot) => {
    if (snapshot !== undefined) resolve(snapshot);
    else reject(refusal(failure));
  });
  return promise;
}

/** A backup that lacks a group would be taken for a whole one. */
function elsewhere(group: GroupId): ApiError {
  const message = `This node has no replica of group ${group}: ask a node that has one of every group (GET /cluster).`;
  return new ApiError("backup_failed", { message, details: { reason: "elsewhere", group } });
}

function refusal(failure: SnapshotFailure | undefined): ApiError {
  if (failure?.reason === "noRoom") {
    const message = "No room for a snapshot on the disk of this node: make room there, or ask another node.";
    return new ApiError("disk_full", { message });
  }
  const why = failure?.reason ?? "died";
  const message = `This node could not take a snapshot of its state (${why}): ask another node, and look at this one's log.`;
  return new ApiError("backup_failed", { message, details: { reason: why } });
}

/** One piece a turn of the event loop, and none before it is asked for: neither loop nor memory pays for a fast or a slow client. */
function streamOf(
  pieces: Generator<Uint8Array, void>,
  signal: AbortSignal,
  ended: () => void,
): ReadableStream<Uint8Array> {
  let isOpen = true;
  const end = (): void => {
    if (isOpen) ended();
    isOpen = false;
  };
  signal.addEventListener("abort", end, { once: true });
  return new ReadableStream<Uint8Array>(
    {
      async pull(controller) {
        await turn();
        if (!isOpen) return;
        try {
          const next = pieces.next();
          if (next.done !== true) {
            controller.enqueue(next.value);
            return;
          }
          end();
          controller.close();
        } catch (error) {
          end();
          controller.error(error);
        }
      },
      cancel: end,
    },
    { highWaterMark: 0 },
  );
}

function turn(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  setImmediate(resolve);
  return promise;
}
