import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { readU32, readU64, writeU32, writeU64 } from "./integers.ts";
import { SNAPSHOT_HEAD_BYTES, encodeSnapshotHead } from "./snapshot-header.ts";

/**
 * A backup is one file: a head, then of each group what a snapshot's file holds (its head, its content), then an end with a
 * CRC over all that stands before it. docs/architecture.md has the bytes.
 *
 * Magic, version, the length of the head's fields and the CRC behind them never change, so that every release can tell a
 * newer format from damage.
 */
export const BACKUP_FORMAT = 1;
const MAGIC = [0x616b756d, 0x6b636162] as const; // "muka", "back"
const END_MAGIC = [0x616b756d, 0x2e646e65] as const; // "muka", "end."
/** Magic, format version, length of the fields. */
export const BACKUP_PREFIX_BYTES = 16;
/** Names and versions are far shorter. */
export const MAX_BACKUP_FIELD_BYTES = 4096;
const CRC_BYTES = 4;
/** Magic, bytes before the end, CRC. */
export const BACKUP_END_BYTES = 20;

/** What a backup says of itself as a whole. */
export interface BackupHead {
  readonly clusterName: string;
  readonly clusterId: string;
  /** Of the program that wrote it. */
  readonly version: string;
  /** When it was asked for: for people. */
  readonly wallMs: number;
  /** How many groups follow, each with a larger number than the one before. */
  readonly groups: number;
}

/** Makes the bytes of a backup in their order, and knows the CRC of what it made. Its user writes them, or sends them. */
export class BackupWriter {
  private bytes = 0;
  private crc = 0;

  head({ groups, wallMs, clusterName, clusterId, version }: BackupHead): Uint8Array {
    const writer = new ByteWriter();
    for (const half of MAGIC) writer.u32(half);
    writer.u32(BACKUP_FORMAT);
    const lengthAt = writer.skip(4);
    writer.varint(groups);
    writer.varint(wallMs);
    for (const text of [clusterName, clusterId, version]) writer.string(text);
    writer.patchU32(lengthAt, writer.length - BACKUP_PREFIX_BYTES);
    writer.u32(crc32c(writer.written()));
    return this.count(writer.copy());
  }

  group(group: GroupId, snapshot: Snapshot): Uint8Array {
    return this.count(encodeSnapshotHead({ group, snapshot, heldBytes: snapshot.totalBytes }));
  }

  /** @returns the same bytes: the next ones of the group's content */
  content(bytes: Uint8Array): Uint8Array {
    return this.count(bytes);
  }

  end(): Uint8Array {
    const end = new Uint8Array(BACKUP_END_BYTES);
    writeU32(end, 0, END_MAGIC[0]);
    writeU32(end, 4, END_MAGIC[1]);
    writeU64(end, 8, this.bytes);
    writeU32(end, BACKUP_END_BYTES - CRC_BYTES, crc32c(end, 0, BACKUP_END_BYTES - CRC_BYTES, this.crc));
    return end;
  }

  private count(bytes: Uint8Array): Uint8Array {
    this.bytes += bytes.length;
    this.crc = crc32c(bytes, 0, bytes.length, this.crc);
    return bytes;
  }
}

/** The size of a whole backup. */
export function backupBytes(head: BackupHead, snapshots: readonly Snapshot[]): number {
  const contents = snapshots.reduce((sum, { totalBytes }) => sum + SNAPSHOT_HEAD_BYTES + totalBytes, 0);
  return new BackupWriter().head(head).length + contents + BACKUP_END_BYTES;
}

/** @returns bytes of the whole head, from its first {@link BACKUP_PREFIX_BYTES}; undefined: none of a backup */
export function backupHeadBytes(prefix: Uint8Array): number | undefined {
  if (readU32(prefix, 0) !== MAGIC[0] || readU32(prefix, 4) !== MAGIC[1]) return undefined;
  return BACKUP_PREFIX_BYTES + readU32(prefix, 12) + CRC_BYTES;
}

export const MAX_BACKUP_HEAD_BYTES = BACKUP_PREFIX_BYTES + MAX_BACKUP_FIELD_BYTES + CRC_BYTES;

/** @returns undefined when it is damaged, "newer" when a newer release wrote it */
export function decodeBackupHead(head: Uint8Array): BackupHead | "newer" | undefined {
  const crcAt = head.length - CRC_BYTES;
  if (readU32(head, crcAt) !== crc32c(head, 0, crcAt)) return undefined;
  if (readU32(head, 8) > BACKUP_FORMAT) return "newer";
  try {
    const reader = new ByteReader(head, BACKUP_PREFIX_BYTES, crcAt);
    const [groups, wallMs] = [reader.varint(), reader.varint()];
    const [clusterName, clusterId, version] = [reader.string(), reader.string(), reader.string()];
    reader.finish();
    return groups === 0 ? undefined : { groups, wallMs, clusterName, clusterId, version };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** @param before how many bytes stand before the end, and their CRC */
export function isBackupEnd(end: Uint8Array, before: { readonly bytes: number; readonly crc: number }): boolean {
  const crcAt = BACKUP_END_BYTES - CRC_BYTES;
  return (
    readU32(end, 0) === END_MAGIC[0] &&
    readU32(end, 4) === END_MAGIC[1] &&
    readU64(end, 8) === before.bytes &&
    readU32(end, crcAt) === crc32c(end, 0, crcAt, before.crc)
  );
}
