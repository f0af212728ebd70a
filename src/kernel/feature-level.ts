import { ByteReader, ByteWriter, DecodeError } from "./bytes.ts";

/**
 * How state machines may behave, as a number (PROTOCOLS R7): a change of what an entry does is a new level, and what it did
 * before is kept for the levels below. A group's level is an entry of its own log; this program knows levels up to here.
 *
 * 1: locks, semaphores, sessions, fences. 2: nodes join and leave.
 */
export const FEATURE_LEVEL = 2;

/** From this level on the configuration of a group changes: a program that knows it reads what the log says of nodes. */
export const MEMBERSHIP_LEVEL = 2;

/** The level of a group that no entry has raised. */
export const FIRST_FEATURE_LEVEL = 1;

/** Payload of a `feature` entry. */
export function encodeFeatureLevel(level: number): Uint8Array {
  const writer = new ByteWriter(8);
  writer.varint(level);
  return writer.copy();
}

/** @throws {DecodeError} */
export function decodeFeatureLevel(payload: Uint8Array): number {
  const reader = new ByteReader(payload);
  const level = reader.varint();
  reader.finish();
  if (level < FIRST_FEATURE_LEVEL) throw new DecodeError("levels begin at 1");
  return level;
}
