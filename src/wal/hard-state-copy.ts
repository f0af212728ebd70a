import { assert } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import type { GroupId, HardState } from "../raft/types.ts";
import { LogFormatError } from "./errors.ts";
import { readU32, writeU32 } from "./integers.ts";
import { asError } from "./segment-pool.ts";
import type { Volume } from "./volume.ts";

/** The file in its volume. */
export const HARD_STATE_FILE = "hard-state";
/** Two, written in turn: what a crash tears is never the newest that something depends on. */
export const HARD_STATE_SLOT_BYTES = 4096;
const SLOTS = 2;
const FORMAT = 1;
const MAGIC = 0x746f7668; // "hvot"
const CRC_AT = HARD_STATE_SLOT_BYTES - 4;

/** What one slot says. */
export interface HardStateSlot {
  /** Of the slots: 1, 2, 3, … The higher one is newer. 0: nothing was written yet. */
  readonly sequence: number;
  /** The flush of the log that brought this state: it was durable. */
  readonly flush: number;
  readonly hardStates: ReadonlyMap<GroupId, HardState>;
}

/** What was there when the copy was opened. */
export interface FoundHardStates extends HardStateSlot {
  /** No newer slot was lost: both can be read, and follow each other. */
  readonly isNewest: boolean;
}

type Done = (error?: Error) => void;

/**
 * The second copy of every group's term, vote and floor (PROTOCOLS D7), in a file that shares nothing with the log. ↯ The lost
 * record of a damaged log was a vote for X in term 9; "repaired" at term 8 the node votes Y in 9.
 *
 * It is written behind the flush of the log that has the change, and before anything that depends on it. So it is never
 * newer than an undamaged log, and one that says it is shows that the log has lost its end.
 */
export class HardStateCopy {
  private sequence: number;
  private isThere: boolean;

  private constructor(
    private readonly volume: Volume,
    /** The newest that can be read; undefined: none was ever written, or none can be read. */
    readonly found: FoundHardStates | undefined,
  ) {
    this.sequence = found?.sequence ?? 0;
    // Where nothing can be read nothing is kept: else what is left would look like a newer slot that was lost.
    this.isThere = found !== undefined && isWhole(volume);
  }

  /** @throws {LogFormatError} for one of a newer release */
  static open(volume: Volume, pathOf: (name: string) => string = (name) => name): HardStateCopy {
    if (!volume.list().includes(HARD_STATE_FILE)) return new HardStateCopy(volume, undefined);
    const slots = Array.from({ length: SLOTS }, (_, slot) =>
      volume.read(HARD_STATE_FILE, slot * HARD_STATE_SLOT_BYTES, HARD_STATE_SLOT_BYTES),
    );
    const read = slots.map((bytes) => decodeSlot(bytes, pathOf)).filter((slot) => slot !== undefined);
    const [newest, older] = read.sort((a, b) => b.sequence - a.sequence);
    if (newest === undefined) return new HardStateCopy(volume, undefined);
    return new HardStateCopy(volume, { ...newest, isNewest: older?.sequence === newest.sequence - 1 });
  }

  /**
   * Both slots are durable, and the newest says what the log says. Once, at the start: what was read may stand in the page
   * cache alone (PROTOCOLS D5). ↯ Written, killed before the sync, found equal to the log, and not written again; then the
   * power goes, the log rots, and an older vote counts.
   */
  level(hardStates: ReadonlyMap<GroupId, HardState>, flush: number, done: Done): void {
    const { found } = this;
    const finish: Done = (error) => {
      if (error !== undefined || (found?.isNewest === true && isEqual(found.hardStates, hardStates))) done(error);
      else this.write(hardStates, flush, done);
    };
    if (this.isThere && found !== undefined) this.store(found, finish);
    else finish();
  }

  /** @param flush of the log, durable, that has the same states */
  write(hardStates: ReadonlyMap<GroupId, HardState>, flush: number, done: Done): void {
    if (this.isThere) this.store({ sequence: ++this.sequence, flush, hardStates }, done);
    else this.create((error) => (error === undefined ? this.write(hardStates, flush, done) : done(error)));
  }

  private store(slot: HardStateSlot, done: Done): void {
    try {
      const at = (slot.sequence % SLOTS) * HARD_STATE_SLOT_BYTES;
      this.volume.write(HARD_STATE_FILE, at, encodeSlot(slot));
    } catch (error) {
      done(asError(error));
      return;
    }
    this.volume.sync(HARD_STATE_FILE, done);
  }

  /**
   * Also in the place of one that is of no use. Both slots say something from the first write on. ↯ Zeros counted as a slot that was
   * never written: the one with the node's first vote rots to zeros, and with a damaged log the node takes itself for one that
   * has not voted.
   */
  private create(done: Done): void {
    const { volume } = this;
    const made: Done = (error) => {
      this.isThere = error === undefined;
      if (error === undefined) this.store({ sequence: 0, flush: 0, hardStates: new Map() }, done);
      else done(error);
    };
    const create: Done = (error) => {
      if (error !== undefined) done(error);
      else volume.create(HARD_STATE_FILE, SLOTS * HARD_STATE_SLOT_BYTES, made);
    };
    if (volume.list().includes(HARD_STATE_FILE)) volume.remove(HARD_STATE_FILE, create);
    else create();
  }
}

function isEqual(ours: ReadonlyMap<GroupId, HardState>, theirs: ReadonlyMap<GroupId, HardState>): boolean {
  if (ours.size !== theirs.size) return false;
  for (const [group, hardState] of theirs) {
    const own = ours.get(group);
    if (own === undefined || !isSame(own, hardState)) return false;
  }
  return true;
}

function isSame(one: HardState, other: HardState): boolean {
  if (one.term !== other.term || one.vote !== other.vote) return false;
  return one.floor?.index === other.floor?.index && one.floor?.term === other.floor?.term;
}

function isWhole(volume: Volume): boolean {
  return volume.list().includes(HARD_STATE_FILE) && volume.size(HARD_STATE_FILE) === SLOTS * HARD_STATE_SLOT_BYTES;
}

function encodeSlot({ sequence, flush, hardStates }: HardStateSlot): Uint8Array {
  const writer = new ByteWriter(HARD_STATE_SLOT_BYTES);
  writer.u32(MAGIC);
  writer.u32(FORMAT);
  writer.varint(sequence);
  writer.varint(flush);
  writer.varint(hardStates.size);
  for (const [group, { term, vote, floor }] of hardStates) {
    for (const value of [group, term, vote]) writer.varint(value);
    writer.u8(floor === undefined ? 0 : 1);
    if (floor !== undefined) for (const value of [floor.index, floor.term]) writer.varint(value);
  }
  assert(writer.length <= CRC_AT, "the hard states of all groups fit one slot");
  writer.skip(HARD_STATE_SLOT_BYTES - writer.length);
  const bytes = writer.copy();
  writeU32(bytes, CRC_AT, crc32c(bytes, 0, CRC_AT));
  return bytes;
}

function decodeSlot(bytes: Uint8Array, pathOf: (name: string) => string): HardStateSlot | undefined {
  if (bytes.length < HARD_STATE_SLOT_BYTES || readU32(bytes, 0) !== MAGIC) return undefined;
  if (readU32(bytes, CRC_AT) !== crc32c(bytes, 0, CRC_AT)) return undefined;
  const format = readU32(bytes, 4);
  if (format > FORMAT) throw new LogFormatError(pathOf(HARD_STATE_FILE), format, FORMAT);
  try {
    return decodeFacts(new ByteReader(bytes, 8, CRC_AT));
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

function decodeFacts(reader: ByteReader): HardStateSlot {
  const sequence = reader.varint();
  const flush = reader.varint();
  const hardStates = new Map<GroupId, HardState>();
  for (let left = reader.varint(); left > 0; left--) {
    const group = reader.varint();
    const hardState = { term: reader.varint(), vote: reader.varint() };
    const hasFloor = reader.u8() === 1;
    const floor = hasFloor ? { index: reader.varint(), term: reader.varint() } : undefined;
    hardStates.set(group, floor === undefined ? hardState : { ...hardState, floor });
  }
  return { sequence, flush, hardStates };
}
