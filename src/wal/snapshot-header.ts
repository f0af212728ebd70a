import { assert } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { isSame, readConfiguration, writeConfiguration } from "../raft/configuration.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { readU32, writeU32 } from "./integers.ts";

/**
 * The head of a snapshot's file, in its own sector: magic, format version, group, facts, and a CRC over the whole sector at
 * its end. The content follows; its CRC is the facts' digest. Magic, version and the place of the CRC never change.
 */
export const SNAPSHOT_HEAD_BYTES = 512;
const SNAPSHOT_FORMAT = 1;
const MAGIC_LOW = 0x616b756d; // "muka"
const MAGIC_HIGH = 0x70616e73; // "snap"
const CRC_AT = SNAPSHOT_HEAD_BYTES - 4;
const FACTS_AT = 12;

export interface SnapshotHead {
  readonly group: GroupId;
  readonly snapshot: Snapshot;
  /** Bytes of the content that are durable, from the first on. All of them: the snapshot is whole. */
  readonly heldBytes: number;
}

export function encodeSnapshotHead({ group, snapshot, heldBytes }: SnapshotHead): Uint8Array {
  const writer = new ByteWriter(SNAPSHOT_HEAD_BYTES);
  writer.u32(MAGIC_LOW);
  writer.u32(MAGIC_HIGH);
  writer.u32(SNAPSHOT_FORMAT);
  writer.varint(group);
  writer.varint(heldBytes);
  for (const value of facts(snapshot)) writer.varint(value);
  writeConfiguration(writer, snapshot.configuration);
  writer.skip(SNAPSHOT_HEAD_BYTES - writer.length);
  const head = writer.copy();
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
    const snapshot = {
      index: reader.varint(),
      term: reader.varint(),
      leaseTimeMs: reader.varint(),
      totalBytes: reader.varint(),
      digest: reader.varint(),
      configuration: readConfiguration(reader),
    };
    return { group, snapshot, heldBytes };
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
