import { assert, unreachable } from "../kernel/assert.ts";
import { BackupError } from "../kernel/backup-error.ts";
import { crc32c } from "../kernel/crc32c.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import {
  BACKUP_END_BYTES,
  BACKUP_PREFIX_BYTES,
  type BackupHead,
  MAX_BACKUP_HEAD_BYTES,
  backupHeadBytes,
  decodeBackupHead,
  isBackupEnd,
} from "./backup-format.ts";
import { SNAPSHOT_HEAD_BYTES, decodeSnapshotHead } from "./snapshot-header.ts";

/** Is told what a backup holds, in its order. What it is told is right only once the reader has said so at the end. */
export interface BackupSink {
  head?(head: BackupHead): void;
  /** A group's state begins. */
  group?(group: GroupId, snapshot: Snapshot): void;
  /** The next bytes of it: a view that is valid during the call. */
  content?(bytes: Uint8Array): void;
  /** All bytes of the group have come, and their CRC is right. */
  groupEnd?(group: GroupId, snapshot: Snapshot): void;
}

type Part = "prefix" | "head" | "groupHead" | "content" | "end" | "behind";

/**
 * Reads a backup as its bytes come, however they are cut, and holds no more of them than a head. What it refuses it refuses
 * at the first byte that shows it; whole and right is a backup only when {@link finish} has returned.
 */
export class BackupReader {
  private part: Part = "prefix";
  /** A head or an end as far as it has come. Invariant: filled < wanted.length. */
  private wanted = new Uint8Array(BACKUP_PREFIX_BYTES);
  private filled = 0;
  /** Of the file, up to the part at hand for heads, up to the next byte for content. */
  private bytes = 0;
  private crc = 0;
  private groupsLeft = 0;
  private lastGroup = -1;
  private current: { readonly group: GroupId; readonly snapshot: Snapshot } | undefined;
  private contentLeft = 0;
  private contentCrc = 0;

  constructor(private readonly sink: BackupSink) {}

  /** @throws {BackupError} */
  take(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length;) {
      if (this.part === "behind") throw this.damaged("goes on behind its end");
      at += this.part === "content" ? this.takeContent(bytes, at) : this.takeWanted(bytes, at);
    }
  }

  /** No more bytes come. @throws {BackupError} when the end has not been seen */
  finish(): void {
    if (this.part === "behind") return;
    const bytes = this.bytes + this.filled;
    if (this.part === "prefix") throw new BackupError("not_a_backup", NOT_A_BACKUP);
    throw new BackupError("damaged_backup", `is damaged: it is cut short after ${bytes} bytes`);
  }

  private takeWanted(bytes: Uint8Array, at: number): number {
    const taken = Math.min(this.wanted.length - this.filled, bytes.length - at);
    this.wanted.set(bytes.subarray(at, at + taken), this.filled);
    this.filled += taken;
    if (this.filled === this.wanted.length) this.takePart(this.wanted);
    return taken;
  }

  private takePart(part: Uint8Array): void {
    switch (this.part) {
      case "prefix":
        this.takePrefix(part);
        return;
      case "head":
        this.takeHead(part);
        return;
      case "groupHead":
        this.takeGroupHead(part);
        return;
      case "end":
        if (!isBackupEnd(part, { bytes: this.bytes, crc: this.crc }))
          throw this.damaged("has a wrong checksum over the whole file");
        this.passed(part);
        this.part = "behind";
        return;
      case "content":
      case "behind":
        assert(false, "what is collected is a head or the end");
        return;
      default:
        unreachable(this.part);
    }
  }

  /** The head is as long as its first bytes say. */
  private takePrefix(prefix: Uint8Array): void {
    const length = backupHeadBytes(prefix);
    if (length === undefined) throw new BackupError("not_a_backup", NOT_A_BACKUP);
    if (length > MAX_BACKUP_HEAD_BYTES) throw this.damaged("has a damaged head");
    this.part = "head";
    const head = new Uint8Array(length);
    head.set(prefix);
    this.wanted = head;
  }

  private takeHead(bytes: Uint8Array): void {
    const head = decodeBackupHead(bytes);
    if (head === undefined) throw this.damaged("has a damaged head");
    if (head === "newer") throw new BackupError("other_format", "was written by a newer release: restore it with that");
    this.passed(bytes);
    this.groupsLeft = head.groups;
    this.sink.head?.(head);
    this.next();
  }

  private takeGroupHead(bytes: Uint8Array): void {
    const head = decodeSnapshotHead(bytes);
    if (head === "newer") throw new BackupError("other_format", "was written by a newer release: restore it with that");
    const isSound =
      head !== undefined &&
      head.group > this.lastGroup &&
      head.snapshot.totalBytes > 0 &&
      head.heldBytes === head.snapshot.totalBytes;
    if (!isSound) throw this.damaged("has a damaged head of a group");
    this.passed(bytes);
    const { group, snapshot } = head;
    this.current = { group, snapshot };
    this.lastGroup = group;
    this.groupsLeft--;
    this.part = "content";
    this.contentLeft = snapshot.totalBytes;
    this.contentCrc = 0;
    this.sink.group?.(group, snapshot);
  }

  private takeContent(bytes: Uint8Array, at: number): number {
    const content = bytes.subarray(at, at + Math.min(this.contentLeft, bytes.length - at));
    this.contentCrc = crc32c(content, 0, content.length, this.contentCrc);
    this.passed(content);
    this.contentLeft -= content.length;
    this.sink.content?.(content);
    if (this.contentLeft === 0) this.endGroup();
    return content.length;
  }

  private endGroup(): void {
    const { current } = this;
    assert(current !== undefined, "content belongs to a group");
    const { group, snapshot } = current;
    if (this.contentCrc !== snapshot.digest) {
      const from = this.bytes - snapshot.totalBytes;
      throw new BackupError(
        "damaged_backup",
        `is damaged in the state of group ${group}, somewhere in bytes ${from} to ${this.bytes - 1}`,
      );
    }
    this.sink.groupEnd?.(group, snapshot);
    this.next();
  }

  private next(): void {
    this.part = this.groupsLeft > 0 ? "groupHead" : "end";
    this.wanted = new Uint8Array(this.part === "end" ? BACKUP_END_BYTES : SNAPSHOT_HEAD_BYTES);
  }

  private passed(bytes: Uint8Array): void {
    this.bytes += bytes.length;
    this.crc = crc32c(bytes, 0, bytes.length, this.crc);
    this.filled = 0;
  }

  private damaged(how: string): BackupError {
    return new BackupError("damaged_backup", `is damaged: it ${how} (at byte ${this.bytes})`);
  }
}

const NOT_A_BACKUP = "is not a backup of mufakat";
