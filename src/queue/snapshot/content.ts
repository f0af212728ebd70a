import { encodeHead, type SnapshotFormat } from "../../kernel/block-restoration.ts";
import { demand } from "../../kernel/bytes.ts";
import { MEMBERSHIP_LEVEL } from "../../kernel/feature-level.ts";
import { type BlockReader, BlockWriter, type Pieces, type Steps } from "../../kernel/snapshot-blocks.ts";
import { readText, readUpTo } from "../fields.ts";
import { limits } from "../../kernel/limits.ts";
import { KeyRecord } from "../records.ts";
import type { QueueState } from "../state.ts";
import { readIngresses, writeIngresses } from "./ingresses.ts";
import { readQueues, writeQueues } from "./queues.ts";
import { readResult, writeResult } from "./results.ts";

export const QUEUE_SNAPSHOT: SnapshotFormat = { magic: "MUFQUEUE", format: 1, of: "the queue machine" };

/**
 * The whole state, but for the limits. Tables are walked in an order that their elements alone decide, lists in their own: so replicas
 * that applied the same log write the same bytes, also after a restoration.
 */
export function* writeSnapshot(state: QueueState): Pieces {
  yield encodeHead(QUEUE_SNAPSHOT);
  const out = new BlockWriter();
  writeCounters(out, state);
  yield* writeIngresses(out, state);
  yield* writeKeys(out, state);
  yield* writeQueues(out, state);
  yield out.take();
}

/** What stands behind the head. What something refers to comes before it. */
export function* readContent(input: BlockReader, state: QueueState): Steps {
  yield;
  const lanes = readCounters(input, state);
  yield* readIngresses(input, state);
  yield* readKeys(input, state);
  yield* readQueues(input, state);
  // Last: to build the state notes changes, too.
  state.transitions.resume(lanes);
}

function writeCounters({ bytes }: BlockWriter, state: QueueState): void {
  bytes.varint(state.appliedIndex);
  bytes.varint(state.nowMs);
  bytes.varint(state.undecodable);
  bytes.varint(state.featureLevel);
  bytes.varint(state.messageCounter);
  bytes.varint(state.serialCounter);
  bytes.varint(state.pageCounter);
  for (const lane of state.transitions.lanes) bytes.u32(lane);
}

function readCounters({ bytes }: BlockReader, state: QueueState): readonly [low: number, high: number] {
  state.appliedIndex = bytes.varint();
  state.nowMs = bytes.varint();
  state.undecodable = bytes.varint();
  state.featureLevel = bytes.varint();
  demand(state.featureLevel >= MEMBERSHIP_LEVEL, "a level from before there were queues");
  state.messageCounter = bytes.varint();
  state.serialCounter = bytes.varint();
  state.pageCounter = bytes.varint();
  return [bytes.u32(), bytes.u32()];
}

function* writeKeys(out: BlockWriter, { keys }: QueueState): Pieces {
  out.bytes.varint(keys.size);
  for (const record of keys.ordered()) {
    if (out.isFull) yield out.take();
    out.bytes.varint(record.serial);
    out.bytes.string(record.key);
    out.bytes.varint(record.fingerprint);
    out.bytes.varint(record.deadlineMs);
    yield* writeResult(out, record.result);
  }
}

function* readKeys(input: BlockReader, state: QueueState): Steps {
  if (input.isEmpty) yield;
  const count = readUpTo(input.bytes, state.limits.maxIdempotencyKeys);
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const serial = readUpTo(bytes, state.serialCounter);
    const key = readText(bytes, 0, limits.maxIdempotencyKeyBytes);
    demand(state.keys.get(key) === undefined, "an idempotency key twice");
    const fingerprint = bytes.varint();
    const deadlineMs = bytes.varint();
    const record = new KeyRecord(serial, key, fingerprint, yield* readResult(input), 0);
    state.keys.add(record);
    state.deadlines.schedule(record, deadlineMs);
  }
}
