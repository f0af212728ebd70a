import { assert } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { decodeConfiguration, encodeConfiguration, isSame } from "../raft/configuration.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { readU32, writeU32 } from "./integers.ts";

/**
 * The head of a snapshot's file: a sector with magic, format version, group, facts, and a CRC over the whole sector at its
 * end; behind it, up to two pages, the configuration, with a CRC of its own in that sector. The content follows; its CRC is the
 * facts' digest. Magic, version and the place of the first CRC never change. What changes while a snapshot comes in lies in
 * the first sector, so that no crash leaves half of the head old and half new.
 */
export const SNAPSHOT_HEAD_BYTES = 8192;
const SECTOR_BYTES = 512;
const SNAPSHOT_FORMAT = 1;
const MAGIC_LOW = 0x616b756d; // "muka"
const MAGIC_HIGH = 0x70616e73; // "snap"
const CRC_AT = SECTOR_BYTES - 4;
const FACTS_AT = 12;

export interface SnapshotHead {
  readonly group: GroupId;
  readonly snapshot: Snapshot;
  /** Bytes of the content that are durable, from the first on. All of them: the snapshot is whole. */
  readonly heldBytes: number;
}

export function encodeSnapshotHead({ group, snapshot, heldBytes }: SnapshotHead): Uint8Array {
  const members = encodeConfiguration(snapshot.configuration);
  assert(SECTOR_BYTES + members.length <= SNAPSHOT_HEAD_BYTES, "a configuration has room in the head of a snapshot");
  const writer = new ByteWriter(SNAPSHOT_HEAD_BYTES);
  writer.u32(MAGIC_LOW);
  writer.u32(MAGIC_HIGH);
  writer.u32(SNAPSHOT_FORMAT);
  writer.varint(group);
  writer.varint(heldBytes);
  for (const value of facts(snapshot)) writer.varint(value);
  writer.varint(members.length);
  const head = new Uint8Array(SNAPSHOT_HEAD_BYTES);
  head.set(members, SECTOR_BYTES);
  writer.u32(crc32c(head, SECTOR_BYTES, SNAPSHOT_HEAD_BYTES));
  head.set(writer.written());
  writeU32(head, CRC_AT, crc32c(head, 0, CRC_AT));
  return head;
}

/** @returns undefined when the head is damaged, "newer" when a newer release wrote it */
export function decodeSnapshotHead(head: Uint8Array): SnapshotHead | "newer" | undefined {
  if (head.length < SNAPSHOT_HEAD_BYTES) return undefined;
  if (readU32(head, 0) !== MAGIC_LOW || readU32(head, 4) !== MAGIC_HIGH) return undefined;
  if (readU32(head, CRC_AT) !== crc32c(head, 0, CRC_AT)) return undefined;
  if (readU32(head, 8) > SNAPSHOT_FORMAT) return "newer";
  try {
    const reader = new ByteReader(head, FACTS_AT, CRC_AT);
    const group = reader.varint();
    const heldBytes = reader.varint();
    const point = {
      index: reader.varint(),
      term: reader.varint(),
      leaseTimeMs: reader.varint(),
      totalBytes: reader.varint(),
      digest: reader.varint(),
    };
    const members = head.subarray(SECTOR_BYTES, SECTOR_BYTES + reader.varint());
    if (reader.u32() !== crc32c(head, SECTOR_BYTES, SNAPSHOT_HEAD_BYTES)) return undefined;
    return { group, snapshot: { ...point, configuration: decodeConfiguration(members) }, heldBytes };
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function facts({ index, term, leaseTimeMs, totalBytes, digest }: Snapshot): number[] {
  return [index, term, leaseTimeMs, totalBytes, digest];
}

export function isSameSnapshot(one: Snapshot, other: Snapshot): boolean {
  const theirs = facts(other);
  return facts(one).every((value, i) => value === theirs[i]) && isSame(one.configuration, other.configuration);
}

/** What a file in the folder of snapshots is; two snapshots of one entry that differ have two names. */
export type SnapshotFileKind = "snapshot" | "partial" | "tmp";

export function snapshotName(group: GroupId, snapshot: Snapshot, kind: SnapshotFileKind): string {
  const { index, term, digest } = snapshot;
  assert(index < 1e16, "an index has sixteen digits");
  return `${group}-${String(index).padStart(16, "0")}-${term}-${digest.toString(16)}.${kind}`;
}

/** @returns undefined for a file that is none of ours */
export function snapshotFileKind(name: string): SnapshotFileKind | undefined {
  const found = /^\d+-\d{16}-\d+-[0-9a-f]+\.(snapshot|partial|tmp)$/.exec(name)?.[1];
  return found === "snapshot" || found === "partial" || found === "tmp" ? found : undefined;
}
