/**
 * The thread in which a node makes one snapshot: it reads the log and the snapshot before, which are pinned, and writes a
 * file of its own. An entry point: the executable has it beside `main.ts`.
 */
import { setPriority } from "node:os";
import type { SnapshotFailure, SnapshotOrder } from "../engine/snapshot-maker.ts";
import { SnapshotMaking } from "../engine/snapshot-making.ts";
import { FileReads } from "../io/file-reads.ts";
import { SnapshotDirectory } from "../io/snapshot-directory.ts";
import type { Snapshot } from "../raft/types.ts";
import { ExcerptReader } from "../wal/excerpt.ts";
import { type GroupKind, machineOf } from "./group-kinds.ts";

declare const self: Worker;

/** What the thread is told, once. */
export interface WorkerOrder {
  readonly order: SnapshotOrder;
  /** Of its group. */
  readonly kind: GroupKind;
  readonly logDirectory: string;
  readonly snapshotDirectory: string;
}

/** What it says, once. */
export interface WorkerAnswer {
  readonly failure: SnapshotFailure | undefined;
  readonly snapshot: Snapshot | undefined;
}

/** Of this thread alone, where the system has that (Linux): the loop and the requests come first. */
const NICE = 10;

self.onmessage = ({ data }: MessageEvent<WorkerOrder>): void => {
  if (process.platform === "linux") setPriority(0, NICE);
  const { order, kind, logDirectory, snapshotDirectory } = data;
  const machine = machineOf(kind, snapshotDirectory);
  const files = new SnapshotDirectory(snapshotDirectory);
  const reads = new FileReads(logDirectory);
  const entries = new ExcerptReader(reads, order.excerpt, (name) => `${logDirectory}/${name}`);
  const making = new SnapshotMaking(order, { machine, files, entries }, (failure, snapshot) => {
    reads.close();
    machine.close?.();
    const answer: WorkerAnswer = { failure, snapshot };
    void files.close().then(() => self.postMessage(answer));
  });
  while (making.step());
};
