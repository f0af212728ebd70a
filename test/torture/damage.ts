import {
  closeSync,
  openSync,
  readdirSync,
  readFileSync,
  readSync,
  rmSync,
  statSync,
  truncateSync,
  writeSync,
} from "node:fs";
import { basename, join, relative } from "node:path";
import type { Prng } from "../../src/kernel/prng.ts";

/** Where a node keeps what it promised and what it was told, by the folder in its data directory. */
const PLACES = ["wal", "snapshots"] as const;
/** Its second copy of terms and votes, which shares nothing with the log. */
const HARD_STATE = /hard-state/;
/** Behind what is used of a file, where a flipped bit looks like the beginning of a write. */
const BEYOND_BYTES = 4_096;

/** A file of a node that does not run: of its log, mostly, of its snapshots, or the second copy of its promises. */
export function fileFor(directory: string, prng: Prng): string | undefined {
  const files = filesIn(directory);
  const groups = [
    files.filter((path) => within(directory, path, "wal") && !HARD_STATE.test(path)),
    files.filter((path) => within(directory, path, "snapshots")),
    files.filter((path) => HARD_STATE.test(basename(path))),
  ].filter((group) => group.length > 0);
  const group = prng.chance(0.5) ? groups[0] : groups[prng.int(Math.max(1, groups.length))];
  if (group === undefined || group.length === 0) return undefined;
  // Mostly where most is: of segments that stand ready only the head is used, and of some nothing.
  const used = group.map((path) => ({ path, bytes: usedBytes(path) })).filter(({ bytes }) => bytes > 0);
  if (used.length === 0) return undefined;
  if (prng.chance(0.3)) return prng.pick(used).path;
  let at = prng.int(used.reduce((sum, { bytes }) => sum + bytes, 0));
  return used.find(({ bytes }) => (at -= bytes) < 0)?.path;
}

/** @returns what was done, in words */
export function flipBits(path: string, prng: Prng): string {
  const bits = 1 + prng.int(3);
  const size = statSync(path).size;
  const range = Math.min(size, usedBytes(path) + (prng.chance(0.1) ? BEYOND_BYTES : 0));
  const places: number[] = [];
  const file = openSync(path, "r+");
  const byte = Buffer.alloc(1);
  for (let i = 0; i < bits; i++) {
    const at = prng.int(range);
    readSync(file, byte, 0, 1, at);
    byte[0] = (byte[0] ?? 0) ^ (1 << prng.int(8));
    writeSync(file, byte, 0, 1, at);
    places.push(at);
  }
  closeSync(file);
  return `${bits} bits of ${basename(path)} at ${places.join(", ")}`;
}

export function truncateFile(path: string, prng: Prng): string {
  const length = prng.int(usedBytes(path));
  truncateSync(path, length);
  return `${basename(path)} ends at ${length}`;
}

export function loseFile(path: string): string {
  rmSync(path);
  return `${basename(path)} is gone`;
}

/** All that a node knows but who it is. */
export function loseEverything(directory: string): string {
  const lost = filesIn(directory).filter((path) => {
    return HARD_STATE.test(basename(path)) || PLACES.some((place) => within(directory, path, place));
  });
  for (const path of lost) rmSync(path);
  return `${lost.length} files of log, snapshots and promises are gone`;
}

function within(directory: string, path: string, place: string): boolean {
  return relative(directory, path).startsWith(`${place}/`);
}

function filesIn(directory: string): string[] {
  const entries = readdirSync(directory, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
}

/** Up to the last byte that is not zero. */
function usedBytes(path: string): number {
  return readFileSync(path).findLastIndex((byte) => byte !== 0) + 1;
}
