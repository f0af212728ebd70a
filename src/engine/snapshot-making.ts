import { DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { limits } from "../kernel/limits.ts";
import type { EntryReader } from "../raft/storage.ts";
import { isNoRoom, LogCorruptError } from "../wal/errors.ts";
import type { SnapshotFiles } from "../wal/snapshot-files.ts";
import { readSnapshot } from "../wal/snapshot-store.ts";
import { SnapshotWriter } from "../wal/snapshot-writer.ts";
import type { SnapshotFailure, SnapshotMade, SnapshotOrder } from "./snapshot-maker.ts";
import type { StateMachine } from "./state-machine.ts";

export interface MakingParts {
  /** Empty, and the program that the loop applies with. */
  readonly machine: StateMachine<unknown>;
  readonly files: SnapshotFiles;
  /** Of the order's excerpt. */
  readonly entries: EntryReader;
}

/** Entries read and applied in one step, in bytes. */
const STEP_BYTES = 256 * 1024;

class MakingError extends Error {
  constructor(
    readonly reason: SnapshotFailure["reason"],
    message: string,
  ) {
    super(message);
  }
}

/**
 * Makes one snapshot in small steps, in whatever thread: loads the one before it, applies the entries that follow, compares
 * the outcome with the loop's, and writes it.
 */
export class SnapshotMaking {
  private readonly steps: Iterator<undefined>;
  private writer: SnapshotWriter | undefined;
  private ended = false;

  constructor(
    private readonly order: SnapshotOrder,
    private readonly parts: MakingParts,
    private readonly done: SnapshotMade,
  ) {
    this.steps = this.run();
  }

  /** @returns false when nothing is left to be done here: `done` is called, or will be */
  step(): boolean {
    if (this.ended) return false;
    try {
      this.ended = this.steps.next().done === true;
    } catch (error) {
      this.ended = true;
      this.writer?.abandon();
      this.done(failureOf(error), undefined);
    }
    return !this.ended;
  }

  private *run(): Generator<undefined, void> {
    yield* this.load();
    yield* this.replay();
    yield* this.write();
  }

  private *load(): Generator<undefined, void> {
    const { order, parts } = this;
    const { base, group } = order;
    if (base === undefined) return;
    const restoration = parts.machine.restore();
    let crc = 0;
    for (let at = 0; at < base.totalBytes; at += limits.maxSnapshotChunkBytes) {
      const length = Math.min(limits.maxSnapshotChunkBytes, base.totalBytes - at);
      const bytes = readSnapshot(parts.files, group, base, at, length);
      crc = crc32c(bytes, 0, bytes.length, crc);
      restoration.take(bytes);
      yield;
    }
    if (crc !== base.digest) throw new MakingError("damaged", `the snapshot of entry ${base.index} is damaged`);
    restoration.finish();
  }

  private *replay(): Generator<undefined, void> {
    const { order, parts } = this;
    const { from, to } = order.excerpt;
    const { machine } = parts;
    const ignore = (): void => {};
    for (let next = from; next <= to;) {
      for (const entry of parts.entries.read(order.group, next, to, STEP_BYTES)) {
        machine.apply(entry, ignore);
        next = entry.index + 1;
      }
      yield;
    }
    const hash = machine.stateHash();
    if (hash === order.stateHash) return;
    throw new MakingError(
      "diverged",
      `the state of entry ${to} hashes to ${hash} here and to ${order.stateHash} there`,
    );
  }

  private *write(): Generator<undefined, void> {
    const { order, parts } = this;
    const writer = new SnapshotWriter(parts.files, order.group, order.point);
    this.writer = writer;
    for (const bytes of parts.machine.snapshot()) {
      writer.write(bytes);
      if (writer.error !== undefined) throw writer.error;
      yield;
    }
    writer.finish((error, snapshot) => this.done(error && diskFailure(error), snapshot));
  }
}

function failureOf(error: unknown): SnapshotFailure {
  if (error instanceof MakingError) return { reason: error.reason, message: error.message };
  if (error instanceof DecodeError || error instanceof LogCorruptError) {
    return { reason: "damaged", message: error.message };
  }
  // What the operating system says, it says of a file; anything else is the state machine's.
  if (error instanceof Error && "code" in error) return diskFailure(error);
  return { reason: "died", message: String(error) };
}

function diskFailure(error: Error): SnapshotFailure {
  return { reason: isNoRoom(error) ? "noRoom" : "disk", message: error.message };
}
