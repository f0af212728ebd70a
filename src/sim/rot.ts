import type { Prng } from "../kernel/prng.ts";
import { LogDamageError } from "../wal/errors.ts";
import { MARK_BYTES, readMark } from "../wal/frame.ts";
import { HARD_STATE_FILE, HardStateCopy } from "../wal/hard-state-copy.ts";
import { type Scan, scanLog } from "../wal/scan.ts";
import type { MemorySnapshotFiles } from "./memory-snapshot-files.ts";
import { type MemoryVolume, SECTOR_BYTES } from "./memory-volume.ts";

/** What a disk did to the files of a node that is down. */
export interface Rot {
  readonly file: string;
  readonly how: string;
}

/**
 * Damages what stands on a node's disk, so that it can be known: what is left shows that something is missing. The last
 * flush without a mark behind it looks torn when it is damaged, and nobody can tell; and of both copies of the hard
 * state one stays whole.
 *
 * @returns undefined when there is nothing that may be damaged
 */
export function rot(
  random: Prng,
  log: MemoryVolume,
  votes: MemoryVolume,
  snapshots: MemorySnapshotFiles,
): Rot | undefined {
  if (random.chance(0.3)) return rotSnapshots(random, snapshots);
  const scan = scanOf(log);
  const copy = HardStateCopy.open(votes).found;
  if (scan?.last === undefined || copy === undefined) return undefined;
  // After a crash in the middle of a write one of its slots may be torn.
  const rotsVotes = !copy.isNewest || random.chance(0.2);
  // ↯ What shows the damage, or stays whole, stands in the page cache alone, and the power fails before the next start has
  // made it durable: then the log ends at the damage, as a torn one does.
  if (!log.isDurable || !(rotsVotes || votes.isDurable)) return undefined;
  if (rotsVotes) return rotVotes(random, votes);
  return random.chance(0.6) ? flipBit(random, log, scan) : loseMore(random, log, scan);
}

/**
 * Damages the log, and loses the votes. What is left of the log shows that something is missing, and has the node's last vote
 * or shows that this is missing, too.
 *
 * @returns undefined when there is nothing that may be damaged
 */
export function rotBoth(random: Prng, log: MemoryVolume, votes: MemoryVolume): Rot | undefined {
  const scan = scanOf(log);
  if (scan?.last === undefined || !log.isDurable) return undefined;
  const done = flipBit(random, log, scan);
  if (done === undefined) return undefined;
  for (const name of votes.list()) votes.lose(name);
  return { file: done.file, how: `${done.how}, and the votes are lost` };
}

/** One bit of one of them, or of all: then the log begins anew, and without any. */
function rotSnapshots(random: Prng, files: MemorySnapshotFiles): Rot | undefined {
  const names = files
    .list()
    .filter((name) => files.size(name) > 0)
    .toSorted();
  if (names.length === 0) return undefined;
  const chosen = random.chance(0.5) ? names : [random.pick(names)];
  for (const name of chosen) {
    const at = random.int(files.size(name));
    const [byte = 0] = files.read(name, at, 1);
    files.damage(name, at, Uint8Array.of(byte ^ (1 << random.int(8))));
  }
  return { file: chosen.join(", "), how: "a bit flips" };
}

function scanOf(log: MemoryVolume): Scan | undefined {
  try {
    return scanLog({ volume: log, pathOf: (name) => name, onFrame: () => {} });
  } catch (error) {
    if (error instanceof LogDamageError) return undefined;
    throw error;
  }
}

function rotVotes(random: Prng, votes: MemoryVolume): Rot {
  const bytes = votes.size(HARD_STATE_FILE);
  if (random.chance(0.3)) {
    votes.lose(HARD_STATE_FILE);
    return { file: HARD_STATE_FILE, how: "is lost" };
  }
  const bit = random.int(bytes * 8);
  votes.flipBit(HARD_STATE_FILE, bit);
  return { file: HARD_STATE_FILE, how: `bit ${bit} flips` };
}

function usedBytes(log: MemoryVolume, name: string): number {
  return log.read(name, 0, log.size(name)).findLastIndex((byte) => byte !== 0) + 1;
}

/** One bit anywhere in what is used, but for a last flush without a mark. */
function flipBit(random: Prng, log: MemoryVolume, { segments, last, end }: Scan): Rot | undefined {
  const segment = random.pick(segments);
  const isLast = segment.number === last?.segment.number;
  const isMarked = isLast && readMark(log.read(segment.name, end, MARK_BYTES), 0, segment) !== undefined;
  const limit = isLast ? (isMarked ? end : last.offset + MARK_BYTES) : usedBytes(log, segment.name);
  if (limit === 0) return undefined;
  const bit = random.int(limit * 8);
  log.flipBit(segment.name, bit);
  return { file: segment.name, how: `bit ${bit} flips` };
}

/** A file or its end, or a sector that reads as zeros or as another one. */
function loseMore(random: Prng, log: MemoryVolume, { segments, last }: Scan): Rot | undefined {
  const lastNumber = last?.segment.number ?? 0;
  const before = segments.filter(({ number }) => number < lastNumber);
  if (before.length > 0 && random.chance(0.4)) {
    const { name } = random.pick(before);
    log.lose(name);
    return { file: name, how: "is lost" };
  }
  if (random.chance(0.3)) {
    const { name } = random.pick(segments);
    const size = random.int(log.size(name));
    log.cut(name, size);
    return { file: name, how: `ends at ${size}` };
  }
  const { name, number } = random.pick([...before, ...segments.filter((each) => each.number === lastNumber)]);
  // Of the last flush and its mark none may go with the other.
  const limit = number === lastNumber ? (last?.offset ?? 0) : usedBytes(log, name);
  const sectors = Math.floor(limit / SECTOR_BYTES);
  if (sectors === 0) return undefined;
  const at = random.int(sectors) * SECTOR_BYTES;
  const isMisdirected = random.chance(0.5);
  const from = random.int(Math.floor(log.size(name) / SECTOR_BYTES)) * SECTOR_BYTES;
  log.damage(name, at, isMisdirected ? log.read(name, from, SECTOR_BYTES) : new Uint8Array(SECTOR_BYTES));
  return { file: name, how: isMisdirected ? `offset ${at} reads as ${from}` : `offset ${at} reads as zeros` };
}
