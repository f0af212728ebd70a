import type { ByteReader } from "../../kernel/bytes.ts";
import { FIRST_FEATURE_LEVEL } from "../../kernel/feature-level.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter } from "./blocks.ts";
import { demand } from "./format.ts";

/** Later than any lease time, early enough that every deadline behind it is an exact integer. */
const MAX_LEASE_TIME_MS = 2 ** 52;
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
  state.appliedIndex = bytes.varint();
  state.nowMs = bytes.varint();
  demand(state.nowMs <= MAX_LEASE_TIME_MS, "a lease time that no cluster reaches");
  state.undecodable = bytes.varint();
  state.featureLevel = bytes.varint();
  demand(state.featureLevel >= FIRST_FEATURE_LEVEL, "feature levels begin at 1");
  state.generation = bytes.varint();
  state.tokenCounter = bytes.varint();
  demand(Number.isSafeInteger(state.lastToken), "more generations than there may be");
  state.serialCounter = bytes.varint();
  return [bytes.u32(), bytes.u32()];
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
