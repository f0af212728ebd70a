import type { SnapshotFailure, SnapshotMade, SnapshotMaker, SnapshotOrder } from "../engine/snapshot-maker.ts";
import { assert } from "../kernel/assert.ts";
import type { GroupId } from "../raft/types.ts";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import { snapshotFileKind } from "../wal/snapshot-header.ts";
import { type GroupKind, kindOf } from "./group-kinds.ts";
import type { WorkerAnswer, WorkerOrder } from "./snapshot-worker.ts";

/** True in the executable: `deploy/build.ts` sets it, and keeps the paths of entry points there. */
declare const MUFAKAT_EXECUTABLE: boolean;

const isExecutable = typeof MUFAKAT_EXECUTABLE === "boolean" && MUFAKAT_EXECUTABLE;
const WORKER = new URL(isExecutable ? "./src/server/snapshot-worker.ts" : "./snapshot-worker.ts", import.meta.url);

export interface WorkerMakerOptions {
  readonly logDirectory: string;
  readonly snapshotDirectory: string;
  /** Of the same directory, for what a thread that died has left. */
  readonly files: Pick<SnapshotFiles, "list" | "remove">;
  /** What the thread makes an empty state of. Absent: as the groups of a node are numbered. */
  readonly kindOf?: (group: GroupId) => GroupKind;
  /** Absent: ten minutes. */
  readonly deadlineMs?: number;
}

/** A thread at work. */
interface Running {
  readonly worker: Worker;
  /** Resolves when it is gone. */
  readonly gone: Promise<void>;
}

const DEADLINE_MS = 600_000;

/** Makes each snapshot in a thread of its own, which ends with it: what it took of memory goes back. */
export class WorkerSnapshotMaker implements SnapshotMaker {
  private running: Running | undefined;
  private closed = false;

  constructor(private readonly options: WorkerMakerOptions) {}

  make(order: SnapshotOrder, done: SnapshotMade): void {
    assert(this.running === undefined && !this.closed, "one snapshot is made at a time");
    const { logDirectory, snapshotDirectory, deadlineMs = DEADLINE_MS } = this.options;
    const kind = (this.options.kindOf ?? kindOf)(order.group);
    const { promise: gone, resolve } = Promise.withResolvers<void>();
    const worker = new Worker(WORKER);
    this.running = { worker, gone };
    const timer = setTimeout(() => end(died(`it was not made within ${deadlineMs} ms`)), deadlineMs);
    timer.unref();
    const end = ({ failure, snapshot }: WorkerAnswer): void => {
      if (this.running?.worker !== worker) return;
      this.running = undefined;
      clearTimeout(timer);
      worker.terminate();
      if (this.closed) return;
      if (failure?.reason === "died") this.sweep();
      done(failure, snapshot);
    };
    worker.addEventListener("message", ({ data }: MessageEvent<WorkerAnswer>) => end(data));
    worker.addEventListener("error", ({ message }) => end(died(message)));
    worker.addEventListener("close", () => {
      resolve();
      end(died("its thread ended"));
    });
    const told: WorkerOrder = { order, kind, logDirectory, snapshotDirectory };
    worker.postMessage(told);
  }

  /** Nothing is made any more, and nothing told. Resolves when no thread touches the directories. */
  async close(): Promise<void> {
    this.closed = true;
    const { running } = this;
    if (running === undefined) return;
    running.worker.terminate();
    await running.gone;
  }

  private sweep(): void {
    const { files } = this.options;
    for (const name of files.list()) if (snapshotFileKind(name) === "tmp") files.remove(name, () => {});
  }
}

function died(message: string): WorkerAnswer {
  const failure: SnapshotFailure = { reason: "died", message };
  return { failure, snapshot: undefined };
}
