import { type ByteReader, type ByteWriter, DecodeError, demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { Bundle, wishKey } from "../bundles.ts";
import { readName, readText } from "../codec.ts";
import { enterQueue, enterSemaphore } from "../queues.ts";
import { type Lock, type Place, type Wait, Waiter, type Wish } from "../records.ts";
import { PermitWaiter, type Semaphore } from "../semaphores.ts";
import type { LockState } from "../state.ts";
import {
  type BlockReader,
  type BlockWriter,
  type Pieces,
  readList,
  type Steps,
  writeList,
} from "../../kernel/snapshot-blocks.ts";
import { readClaimant, writeClaimant } from "./claimants.ts";
import { readPast, readSerial, readTtl } from "./counters.ts";
import type { Draft } from "./draft.ts";
import type { KnownIngresses } from "./ingresses.ts";
import { readOperations, writeOperations } from "./operations.ts";
import { readFlag } from "./results.ts";

/** Requests for several locks, by their serials: the places in the queues name them so. */
export type Bundles = ReadonlyMap<number, Bundle>;

/** What stands in a queue. */
const SHARED = 0;
const EXCLUSIVE = 1;
const OF_BUNDLE = 2;

/** Each where its first place stands; then 0. */
export function* writeBundles(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  for (const lock of contested(state.locks.contested)) {
    for (const place of queue(lock)) {
      if (place.kind === "waiter" || place.bundle.places[0] !== place) continue;
      if (out.isFull) yield out.take();
      out.bytes.u8(1);
      writeWait(out.bytes, state, place.bundle);
      yield* writeList(out, place.bundle.places, writeWish);
      yield* writeOperations(out, state, known, place.bundle);
    }
  }
  if (out.isFull) yield out.take();
  out.bytes.u8(0);
}

export function* readBundles(input: BlockReader, draft: Draft): Steps<Bundles> {
  const { state, sessions } = draft;
  const bundles = new Map<number, Bundle>();
  for (;;) {
    if (input.isEmpty) yield;
    if (!readFlag(input.bytes)) return bundles;
    const claimant = readClaimant(input.bytes, state, sessions);
    const times = readTimes(input.bytes, state);
    const wishes = yield* readList(input, (bytes) => readWish(bytes, state));
    demand(wishes.length >= 1 && wishes.length <= limits.maxLocksPerRequest, "a request for too many locks");
    demand(new Set(wishes.map(({ lock }) => lock)).size === wishes.length, "a request for one lock twice");
    const key = wishKey(wishes.map(({ lock, mode }) => ({ lock: lock.name, mode })));
    const bundle = new Bundle(claimant, key, times.serial, times.enqueuedAtMs, wishes);
    demand(claimant.bundle(key) === undefined && !bundles.has(bundle.serial), "a request waits twice");
    claimant.others.addBundle(bundle);
    bundles.set(bundle.serial, bundle);
    draft.openPlaces += wishes.length;
    schedule(state, bundle, times);
    yield* readOperations(input, draft, bundle);
  }
}

/** In the order in which somebody began to wait. */
export function* writeLockQueues(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  out.bytes.varint(state.locks.contested.size);
  for (const lock of contested(state.locks.contested)) {
    if (out.isFull) yield out.take();
    out.bytes.string(lock.name);
    out.bytes.varint(lock.queue.size);
    for (const place of queue(lock)) {
      if (out.isFull) yield out.take();
      if (place.kind === "place") {
        out.bytes.u8(OF_BUNDLE);
        out.bytes.varint(place.serial);
        continue;
      }
      out.bytes.u8(place.mode === "exclusive" ? EXCLUSIVE : SHARED);
      writeWait(out.bytes, state, place);
      out.bytes.u8(place.value === undefined ? 0 : 1);
      if (place.value !== undefined) out.bytes.string(place.value);
      yield* writeOperations(out, state, known, place);
    }
  }
}

export function* readLockQueues(input: BlockReader, draft: Draft, bundles: Bundles): Steps {
  const { state } = draft;
  const count = input.bytes.varint();
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const lock = readLockName(input.bytes, state);
    const places = input.bytes.varint();
    demand(lock.queue.size === 0 && places > 0, "a queue twice, or an empty one");
    if (lock.mode === undefined) draft.openNames -= 1;
    for (let k = 0; k < places; k++) {
      if (input.isEmpty) yield;
      yield* readPlace(input, draft, lock, bundles);
    }
  }
}

/** As of {@link writeLockQueues}. */
export function* writePermitQueues(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  out.bytes.varint(state.semaphores.contested.size);
  for (const semaphore of contested(state.semaphores.contested)) {
    if (out.isFull) yield out.take();
    out.bytes.string(semaphore.name);
    out.bytes.varint(semaphore.queue.size);
    for (let waiter = semaphore.queue.first; waiter !== undefined; waiter = waiter.next) {
      if (out.isFull) yield out.take();
      out.bytes.varint(waiter.permits);
      writeWait(out.bytes, state, waiter);
      yield* writeOperations(out, state, known, waiter);
    }
  }
}

export function* readPermitQueues(input: BlockReader, draft: Draft): Steps {
  const { state } = draft;
  const count = input.bytes.varint();
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const semaphore = state.semaphores.find(readName(input.bytes));
    const waiters = input.bytes.varint();
    demand(semaphore !== undefined && semaphore.queue.size === 0 && waiters > 0, "a queue of no semaphore, or twice");
    if (semaphore.holders.size === 0) draft.openNames -= 1;
    for (let k = 0; k < waiters; k++) {
      if (input.isEmpty) yield;
      yield* readPermitWaiter(input, draft, semaphore);
    }
  }
}

function* readPlace(input: BlockReader, draft: Draft, lock: Lock, bundles: Bundles): Steps {
  const { state, sessions } = draft;
  const { bytes } = input;
  const code = bytes.u8();
  if (code === OF_BUNDLE) {
    const place = bundles.get(bytes.varint())?.places.find((other) => other.lock === lock);
    demand(place !== undefined, "a place of a request that is not there");
    draft.openPlaces -= 1;
    enter(state, place);
    return;
  }
  if (code > OF_BUNDLE) throw new DecodeError("unknown kind of place");
  const mode = code === EXCLUSIVE ? "exclusive" : "shared";
  const claimant = readClaimant(bytes, state, sessions);
  demand(claimant.waiter(lock.name, mode) === undefined, "a claimant waits twice");
  const times = readTimes(bytes, state);
  const waiter = new Waiter(lock, claimant, mode, times.serial, times.enqueuedAtMs);
  if (readFlag(bytes)) {
    demand(mode === "exclusive", "only one holder has a value");
    waiter.value = readText(bytes, 0, limits.maxValueBytes);
  }
  enter(state, waiter);
  claimant.addWaiter(waiter);
  schedule(state, waiter, times);
  yield* readOperations(input, draft, waiter);
}

function* readPermitWaiter(input: BlockReader, draft: Draft, semaphore: Semaphore): Steps {
  const { state, sessions } = draft;
  const { bytes } = input;
  const permits = bytes.varint();
  demand(permits >= 1 && permits <= semaphore.limit, "a wait for more permits than there are");
  const claimant = readClaimant(bytes, state, sessions);
  demand(claimant.permitHold(semaphore.name) === undefined, "a wait for permits by one who has some");
  const others = claimant.others.permitWaiters(semaphore);
  demand(!others.some((other) => other.permits === permits), "a claimant waits twice");
  const times = readTimes(bytes, state);
  const waiter = new PermitWaiter(semaphore, claimant, permits, times.serial, times.enqueuedAtMs);
  demand((semaphore.queue.last?.serial ?? 0) < waiter.serial, "serials in a queue rise");
  enterSemaphore(state, waiter);
  demand(state.waiters <= state.limits.maxWaiters, "more waiters than there may be");
  schedule(state, waiter, times);
  yield* readOperations(input, draft, waiter);
}

/** Serials rise: so no place enters twice. */
function enter(state: LockState, place: Place): void {
  demand((place.lock.queue.last?.serial ?? 0) < place.serial, "serials in a queue rise");
  enterQueue(state, place);
  demand(state.waiters <= state.limits.maxWaiters, "more waiters than there may be");
}

interface Times {
  readonly serial: number;
  readonly enqueuedAtMs: number;
  readonly ttlMs: number;
  readonly deadlineMs: number;
}

function writeWait(bytes: ByteWriter, state: LockState, wait: Wait): void {
  writeClaimant(bytes, state, wait.claimant);
  bytes.varint(wait.serial);
  bytes.varint(wait.enqueuedAtMs);
  bytes.varint(wait.ttlMs);
  bytes.varint(wait.deadlineMs);
}

function readTimes(bytes: ByteReader, state: LockState): Times {
  const serial = readSerial(bytes, state);
  return { serial, enqueuedAtMs: readPast(bytes, state), ttlMs: readTtl(bytes), deadlineMs: bytes.varint() };
}

function schedule(state: LockState, wait: Wait, { ttlMs, deadlineMs }: Times): void {
  wait.ttlMs = ttlMs;
  state.deadlines.schedule(wait, deadlineMs);
}

function writeWish(bytes: ByteWriter, { lock, mode }: Wish): void {
  bytes.string(lock.name);
  bytes.u8(mode === "exclusive" ? 1 : 0);
}

function readWish(bytes: ByteReader, state: LockState): Wish {
  const lock = readLockName(bytes, state);
  return { lock, mode: readFlag(bytes) ? "exclusive" : "shared" };
}

function readLockName(bytes: ByteReader, state: LockState): Lock {
  const lock = state.locks.find(readName(bytes));
  demand(lock !== undefined, "a wait for a lock that is not there");
  return lock;
}

function* contested<Name extends { next: Name | undefined }>(list: { first: Name | undefined }): Generator<Name> {
  for (let name = list.first; name !== undefined; name = name.next) yield name;
}

function* queue({ queue: places }: Lock): Generator<Place> {
  for (let place = places.first; place !== undefined; place = place.next) yield place;
}
