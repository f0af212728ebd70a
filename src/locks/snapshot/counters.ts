import { type ByteReader, demand } from "../../kernel/bytes.ts";
import { FIRST_FEATURE_LEVEL } from "../../kernel/feature-level.ts";
import { limits } from "../../kernel/limits.ts";
import { GENERATION_STEP, type LockState } from "../state.ts";
import type { BlockReader, BlockWriter } from "../../kernel/snapshot-blocks.ts";

/** More than a cluster counts in its life, and few enough that whatever is added is an exact integer. */
const MAX_COUNT = 2 ** 52;
/** Of the hash of transitions. */
export type Lanes = readonly [low: number, high: number];

export function writeCounters({ bytes }: BlockWriter, state: LockState): void {
  bytes.varint(state.appliedIndex);
  bytes.varint(state.nowMs);
  bytes.varint(state.undecodable);
  bytes.varint(state.featureLevel);
  bytes.varint(state.generation);
  bytes.varint(state.tokenCounter);
  bytes.varint(state.serialCounter);
  for (const lane of state.transitions.lanes) bytes.u32(lane);
}

/** @returns what is in force once the state is whole: to build it notes changes, too */
export function readCounters({ bytes }: BlockReader, state: LockState): Lanes {
  state.appliedIndex = readCount(bytes);
  state.nowMs = readCount(bytes);
  state.undecodable = readCount(bytes);
  state.featureLevel = readCount(bytes);
  demand(state.featureLevel >= FIRST_FEATURE_LEVEL, "feature levels begin at 1");
  state.generation = bytes.varint();
  demand(state.generation < limits.maxGenerations, "more generations than there may be");
  state.tokenCounter = bytes.varint();
  demand(state.tokenCounter < GENERATION_STEP, "more tokens than a generation has");
  state.serialCounter = readCount(bytes);
  return [bytes.u32(), bytes.u32()];
}

export function readCount(bytes: ByteReader): number {
  const count = bytes.varint();
  demand(count <= MAX_COUNT, "more than a cluster counts in its life");
  return count;
}

/** A lease time at which something began. */
export function readPast(bytes: ByteReader, state: LockState): number {
  const timeMs = bytes.varint();
  demand(timeMs <= state.nowMs, "something that began in the future");
  return timeMs;
}

export function readTtl(bytes: ByteReader): number {
  const ttlMs = bytes.varint();
  demand(ttlMs <= limits.maxTtlMs, "a lease longer than there may be");
  return ttlMs;
}

/** No later one is given twice. */
export function readSerial(bytes: ByteReader, state: LockState): number {
  const serial = bytes.varint();
  demand(serial <= state.serialCounter, "a serial that is still to be given");
  return serial;
}

/** As of {@link readSerial} (PROTOCOLS L2). */
export function readToken(bytes: ByteReader, state: LockState): number {
  const token = bytes.varint();
  demand(token <= state.lastToken, "a token that is still to be given");
  return token;
}
