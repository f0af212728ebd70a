import { encodeHead } from "../../kernel/block-restoration.ts";
import type { LockState } from "../state.ts";
import { type BlockReader, BlockWriter, type Pieces, type Steps } from "../../kernel/snapshot-blocks.ts";
import { readCounters, writeCounters } from "./counters.ts";
import { Draft } from "./draft.ts";
import { readFences, writeFences } from "./fences.ts";
import { readForgotten, writeForgotten } from "./forgotten.ts";
import { LOCK_SNAPSHOT } from "./format.ts";
import { readIngresses, writeIngresses } from "./ingresses.ts";
import { readKeys, writeKeys } from "./keys.ts";
import { readLocks, writeLocks } from "./locks.ts";
import { readOrders, writeOrders } from "./orders.ts";
import { readSemaphores, writeSemaphores } from "./semaphores.ts";
import { readSessions, writeSessions } from "./sessions.ts";
import {
  readBundles,
  readLockQueues,
  readPermitQueues,
  writeBundles,
  writeLockQueues,
  writePermitQueues,
} from "./waits.ts";

/**
 * The whole state, but for the limits: all that digest, hash and every later entry depend on. Tables are walked in an order
 * that their elements alone decide, lists in their own: so replicas that applied the same log write the same bytes, also
 * after a restoration.
 */
export function* writeSnapshot(state: LockState): Pieces {
  yield encodeHead(LOCK_SNAPSHOT);
  const out = new BlockWriter();
  writeCounters(out, state);
  const known = yield* writeIngresses(out, state);
  yield* writeKeys(out, state);
  yield* writeSessions(out, state);
  yield* writeFences(out, state);
  yield* writeLocks(out, state, known);
  yield* writeSemaphores(out, state, known);
  yield* writeForgotten(out, known);
  yield* writeBundles(out, state, known);
  yield* writeLockQueues(out, state, known);
  yield* writePermitQueues(out, state, known);
  yield* writeOrders(out, state, known);
  yield out.take();
}

/** What stands behind the head. What something refers to comes before it. */
export function* readContent(input: BlockReader, state: LockState): Steps {
  yield;
  const lanes = readCounters(input, state);
  const known = yield* readIngresses(input, state);
  const openKeys = yield* readKeys(input, state);
  const sessions = yield* readSessions(input, state);
  yield* readFences(input, state);
  const draft = new Draft(state, known, sessions, openKeys);
  yield* readLocks(input, draft);
  yield* readSemaphores(input, draft);
  yield* readForgotten(input, known);
  const bundles = yield* readBundles(input, draft);
  yield* readLockQueues(input, draft, bundles);
  yield* readPermitQueues(input, draft);
  yield* readOrders(input, draft);
  draft.close();
  state.transitions.resume(lanes);
}
