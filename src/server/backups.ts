import { ApiError } from "../api/errors.ts";
import type { SnapshotFailure, SnapshotMade } from "../engine/snapshot-maker.ts";
import { limits } from "../kernel/limits.ts";
import type { Snapshot } from "../raft/types.ts";
import { BackupWriter } from "../wal/backup-format.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import { type ControlGroup, GroupError } from "./control-group.ts";
import { apiErrorOf } from "./group-errors.ts";
import { version } from "./version.ts";

const GROUP = 0;

export interface BackupsOptions {
  readonly group: ControlGroup;
  readonly store: Pick<SnapshotStore, "pin" | "read">;
  /** Makes a snapshot of all that is applied here by now. */
  readonly take: (done: SnapshotMade) => void;
  readonly cluster: () => { readonly clusterName: string; readonly clusterId: string };
  readonly wallMs: () => number;
}

/**
 * Gives backups of this node's groups to whoever asks, one at a time: each group's state as of one entry, which covers all that
 * was acknowledged before (PROTOCOLS M2). It is a snapshot like every other, made in a thread of its own and read from its file.
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
    try {
      const { group, store, wallMs } = this.options;
      const askedAtMs = wallMs();
      await group.readBarrier();
      const snapshot = await this.take();
      if (signal.aborted) throw new GroupError("aborted");
      const unpin = store.pin(GROUP, snapshot);
      return streamOf(this.pieces(snapshot, askedAtMs), signal, () => {
        unpin();
        this.underWay = false;
      });
    } catch (error) {
      this.underWay = false;
      throw apiErrorOf(error, this.options.group);
    }
  }

  private take(): Promise<Snapshot> {
    const { promise, resolve, reject } = Promise.withResolvers<Snapshot>();
    this.options.take((failure, snapshot) => {
      if (snapshot !== undefined) resolve(snapshot);
      else reject(refusal(failure));
    });
    return promise;
  }

  private *pieces(snapshot: Snapshot, wallMs: number): Generator<Uint8Array, void> {
    const { store, cluster } = this.options;
    const { clusterName, clusterId } = cluster();
    const writer = new BackupWriter();
    yield writer.head({ clusterName, clusterId, version, wallMs, groups: 1 });
    yield writer.group(GROUP, snapshot);
    for (let at = 0; at < snapshot.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, snapshot.totalBytes - at);
      const bytes = store.read(GROUP, snapshot, at, length);
      if (bytes?.length !== length) throw new Error("a snapshot that is read out for a backup is cut short");
      yield writer.content(bytes);
    }
    yield writer.end();
  }
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
