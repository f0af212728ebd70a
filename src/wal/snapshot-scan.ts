import { crc32c } from "../kernel/crc32c.ts";
import { limits } from "../kernel/limits.ts";
import type { GroupId, Snapshot } from "../raft/types.ts";
import { SnapshotFormatError } from "./errors.ts";
import type { SnapshotFiles } from "./snapshot-files.ts";
import {
  SNAPSHOT_HEAD_BYTES,
  type SnapshotHead,
  decodeSnapshotHead,
  snapshotFileKind,
  snapshotName,
} from "./snapshot-header.ts";

/** What is there of one group when the node starts. */
export interface FoundSnapshots {
  /** Every byte of them was checked; the newest last. */
  readonly whole: readonly Snapshot[];
  /** The one that came in last, if it is newer than those. `crc`: of what is held. */
  readonly partial: { readonly snapshot: Snapshot; readonly heldBytes: number; readonly crc: number } | undefined;
  /** Names of files. */
  readonly damaged: readonly string[];
}

type ScannedFiles = Pick<SnapshotFiles, "list" | "size" | "read" | "remove">;

interface Found {
  whole: Snapshot[];
  partials: { snapshot: Snapshot; heldBytes: number; crc: number }[];
  damaged: string[];
}

/**
 * Reads the folder, and deletes what a crash left: files that were being written, and what came in and is of no use.
 *
 * @throws {SnapshotFormatError}
 */
export function scanSnapshots(
  files: ScannedFiles,
  pathOf: (name: string) => string,
): ReadonlyMap<GroupId, FoundSnapshots> {
  const groups = new Map<GroupId, Found>();
  // Of one group they come in the order of their indexes.
  for (const name of files.list().sort()) {
    const kind = snapshotFileKind(name);
    if (kind === "tmp") files.remove(name, () => {});
    if (kind !== "snapshot" && kind !== "partial") continue;
    const group = Number.parseInt(name, 10);
    let found = groups.get(group);
    if (found === undefined) groups.set(group, (found = { whole: [], partials: [], damaged: [] }));
    const head = readHead(files, name, pathOf);
    if (kind === "snapshot") addWhole(files, name, head, found);
    else addPartial(files, name, head, found);
  }
  const result = new Map<GroupId, FoundSnapshots>();
  for (const [group, found] of groups) result.set(group, settle(files, group, found));
  return result;
}

function addWhole(files: ScannedFiles, name: string, head: SnapshotHead | undefined, found: Found): void {
  const snapshot = head?.snapshot;
  const isWhole =
    head !== undefined &&
    snapshot !== undefined &&
    name === snapshotName(head.group, snapshot, "snapshot") &&
    files.size(name) === SNAPSHOT_HEAD_BYTES + snapshot.totalBytes &&
    contentCrc(files, name, snapshot.totalBytes) === snapshot.digest;
  if (isWhole) found.whole.push(snapshot);
  else found.damaged.push(name);
}

function addPartial(files: ScannedFiles, name: string, head: SnapshotHead | undefined, found: Found): void {
  const isSound =
    head !== undefined &&
    name === snapshotName(head.group, head.snapshot, "partial") &&
    head.heldBytes > 0 &&
    head.heldBytes <= head.snapshot.totalBytes &&
    files.size(name) >= SNAPSHOT_HEAD_BYTES + head.heldBytes;
  if (!isSound) {
    files.remove(name, () => {});
    return;
  }
  const { snapshot, heldBytes } = head;
  found.partials.push({ snapshot, heldBytes, crc: contentCrc(files, name, heldBytes) });
}

function settle(files: ScannedFiles, group: GroupId, { whole, partials, damaged }: Found): FoundSnapshots {
  const newest = whole.at(-1)?.index ?? 0;
  const partial = partials.findLast(({ snapshot }) => snapshot.index > newest);
  for (const other of partials) {
    if (other !== partial) files.remove(snapshotName(group, other.snapshot, "partial"), () => {});
  }
  return { whole, partial, damaged };
}

function readHead(files: ScannedFiles, name: string, pathOf: (name: string) => string): SnapshotHead | undefined {
  const head = decodeSnapshotHead(files.read(name, 0, SNAPSHOT_HEAD_BYTES));
  if (head === "newer") throw new SnapshotFormatError(pathOf(name));
  return head;
}

function contentCrc(files: ScannedFiles, name: string, bytes: number): number {
  let crc = 0;
  for (let at = 0; at < bytes; at += limits.maxSnapshotChunkBytes) {
    const piece = files.read(name, SNAPSHOT_HEAD_BYTES + at, Math.min(limits.maxSnapshotChunkBytes, bytes - at));
    crc = crc32c(piece, 0, piece.length, crc);
  }
  return crc;
}
