import { closeSync, fsyncSync, openSync, readFileSync, readSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { afterDeath, type ApplyJournal, type Suspect } from "../engine/apply-journal.ts";
import type { GroupId } from "../raft/types.ts";
import { parseObject } from "./directory-identity.ts";
import { errorCode, readFileIfThere, writeFileDurably } from "./durable-file.ts";

/** What was being applied: overwritten in place, in the page cache, which outlives the process. */
export const MARK_FILE = "applying";
/** Which entries this version of the program has died of. Removed by a person, it lets the same version try again. */
export const SUSPECTS_FILE = "suspects.json";

export interface ApplyJournalOptions {
  /** The version of the program: another one may be able to apply what this one cannot. */
  readonly program: string;
  /** Told once that the mark cannot be written: deaths that nobody can catch are then not counted. */
  readonly onError: (error: unknown) => void;
}

/**
 * The mark: 32 bytes, little-endian, at the start of a file of one page; behind it, at 64, JSON with what does not change
 * while a process runs.
 *
 *     0  u32  0x4b52414d "MARK"
 *     4  u32  1: applying, 0: not
 *     8  u32  group
 *    16  f64  first entry
 *    24  f64  last entry
 */
const MARK_BYTES = 32;
const HEADER_AT = 64;
const FILE_BYTES = 4096;
const MAGIC = 0x4b52414d;

interface Mark {
  readonly group: GroupId;
  readonly from: number;
  readonly to: number;
}

/** An {@link ApplyJournal} in a node's data directory. */
export class ApplyJournalFile implements ApplyJournal {
  private readonly suspects: Map<GroupId, Suspect>;
  private readonly descriptor: number;
  private readonly bytes = new Uint8Array(FILE_BYTES);
  private readonly mark = new DataView(this.bytes.buffer);
  private broken = false;

  /** Counts the death of the process before, if it died at applying. @param directory belongs to this process alone */
  constructor(
    private readonly directory: string,
    private readonly options: ApplyJournalOptions,
  ) {
    this.suspects = readSuspects(join(directory, SUSPECTS_FILE), options.program);
    this.descriptor = openOrCreate(join(directory, MARK_FILE));
    const header = JSON.stringify({ program: options.program, boot: bootId() });
    const found = this.readMark(header);
    if (found !== undefined) this.count(found.group, found.from, found.to);
    this.writeIdle(header);
  }

  suspect(group: GroupId): Suspect | undefined {
    return this.suspects.get(group);
  }

  begin(group: GroupId, from: number, to: number): void {
    const { mark } = this;
    mark.setUint32(4, 1, true);
    mark.setUint32(8, group, true);
    mark.setFloat64(16, from, true);
    mark.setFloat64(24, to, true);
    this.writeMark();
  }

  end(): void {
    this.mark.setUint32(4, 0, true);
    this.writeMark();
  }

  threw(group: GroupId, index: number, error: string): Suspect {
    const suspect = this.count(group, index, index, error);
    this.end();
    return suspect;
  }

  cleared(group: GroupId): void {
    this.suspects.delete(group);
    this.guarded(() => this.writeSuspects());
  }

  close(): void {
    closeSync(this.descriptor);
  }

  private count(group: GroupId, from: number, to: number, error?: string): Suspect {
    const suspect = afterDeath(this.suspects.get(group), from, to, error);
    this.suspects.set(group, suspect);
    this.guarded(() => this.writeSuspects());
    return suspect;
  }

  /** What a process of the same version, on the same start of the machine, was applying when it died. */
  private readMark(header: string): Mark | undefined {
    const found = new Uint8Array(FILE_BYTES);
    readSync(this.descriptor, found, 0, FILE_BYTES, 0);
    const mark = new DataView(found.buffer);
    if (mark.getUint32(0, true) !== MAGIC || mark.getUint32(4, true) !== 1 || textAt(found) !== header)
      return undefined;
    return { group: mark.getUint32(8, true), from: mark.getFloat64(16, true), to: mark.getFloat64(24, true) };
  }

  /** The whole page, and synced: its place on the disk is there before it is needed. */
  private writeIdle(header: string): void {
    this.mark.setUint32(0, MAGIC, true);
    new TextEncoder().encodeInto(header, this.bytes.subarray(HEADER_AT));
    writeSync(this.descriptor, this.bytes, 0, FILE_BYTES, 0);
    fsyncSync(this.descriptor);
  }

  private writeMark(): void {
    if (this.broken) return;
    try {
      writeSync(this.descriptor, this.bytes, 0, MARK_BYTES, 0);
    } catch (error) {
      this.fail(error);
    }
  }

  private writeSuspects(): void {
    const path = join(this.directory, SUSPECTS_FILE);
    if (this.suspects.size === 0) rmSync(path, { force: true });
    else writeFileDurably(path, encodeSuspects(this.suspects, this.options.program));
  }

  /** A full disk must not end a node by way of what only helps to explain its end. */
  private guarded(write: () => void): void {
    try {
      write();
    } catch (error) {
      this.fail(error);
    }
  }

  private fail(error: unknown): void {
    if (!this.broken) this.options.onError(error);
    this.broken = true;
  }
}

function openOrCreate(path: string): number {
  try {
    return openSync(path, "r+");
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
    return openSync(path, "w+", 0o600);
  }
}

function textAt(page: Uint8Array): string {
  const end = page.indexOf(0, HEADER_AT);
  return new TextDecoder().decode(page.subarray(HEADER_AT, end < 0 ? page.length : end));
}

/** Another after every start of the machine; empty where the operating system has none. */
function bootId(): string {
  try {
    return readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim();
  } catch {
    return "";
  }
}

function encodeSuspects(suspects: ReadonlyMap<GroupId, Suspect>, program: string): string {
  const list = [...suspects].map(([group, suspect]) => ({ group, ...suspect }));
  return `${JSON.stringify({ program, suspects: list }, undefined, 2)}\n`;
}

/** What cannot be read, or is another program's, counts for nothing: the worst of it is that an entry is tried again. */
function readSuspects(path: string, program: string): Map<GroupId, Suspect> {
  const found = new Map<GroupId, Suspect>();
  const value = parseObject(readFileIfThere(path) ?? "");
  if (value?.["program"] !== program || !Array.isArray(value["suspects"])) return found;
  for (const item of value["suspects"] as unknown[]) {
    const { group, from, to, deaths, error } = (item ?? {}) as Record<string, unknown>;
    if (!isCount(group) || !isCount(from) || !isCount(to) || !isCount(deaths)) continue;
    found.set(group, { from, to, deaths, error: typeof error === "string" ? error : undefined });
  }
  return found;
}

function isCount(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
