import { demand } from "../../kernel/bytes.ts";
import { unreachable } from "../../kernel/assert.ts";
import type { Claimant } from "../claimants.ts";
import type { Wait } from "../records.ts";
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
import type { Draft } from "./draft.ts";
import type { KnownIngresses } from "./ingresses.ts";
import { readFlag } from "./results.ts";

/**
 * Waits stand queue by queue. A claimant that has several, and a process whose operations wait, know them in an order of
 * their own, and what a later entry does may follow it: which cycle a deadlock shows, who is looked at first when a process
 * gives way.
 */
export function* writeOrders(out: BlockWriter, state: LockState, known: KnownIngresses): Pieces {
  for (const claimant of claimantsWithSeveral(state)) {
    if (out.isFull) yield out.take();
    out.bytes.u8(1);
    writeClaimant(out.bytes, state, claimant);
    yield* writeList(out, [...claimant.waits()], (bytes, { serial }) => bytes.varint(serial));
  }
  if (out.isFull) yield out.take();
  out.bytes.u8(0);
  for (const { waiting } of known.all) {
    if (out.isFull) yield out.take();
    yield* writeList(out, waiting.size > 1 ? [...waiting.keys()] : [], (bytes, sequence) => bytes.varint(sequence));
  }
}

export function* readOrders(input: BlockReader, { state, known, sessions }: Draft): Steps {
  for (;;) {
    if (input.isEmpty) yield;
    if (!readFlag(input.bytes)) break;
    const claimant = readClaimant(input.bytes, state, sessions);
    const waits = new Map<number, Wait>();
    for (const wait of claimant.waits()) waits.set(wait.serial, wait);
    const order = yield* readList(input, (bytes) => takeFrom(waits, bytes.varint()));
    demand(waits.size === 0 && order.length > 1, "an order of some waits alone");
    for (const wait of order) remove(claimant, wait);
    for (const wait of order) add(claimant, wait);
  }
  for (const { waiting } of known.all) {
    if (input.isEmpty) yield;
    const order = yield* readList(input, (bytes) => {
      const sequence = bytes.varint();
      const wait = takeFrom(waiting, sequence);
      waiting.set(sequence, wait);
    });
    demand(order.length === (waiting.size > 1 ? waiting.size : 0), "an order of some operations alone");
  }
}

/** Each once, the first place in a queue counts. */
function* claimantsWithSeveral({ locks, semaphores }: LockState): Generator<Claimant> {
  const seen = new Set<Claimant>();
  for (let lock = locks.contested.first; lock !== undefined; lock = lock.next) {
    for (let place = lock.queue.first; place !== undefined; place = place.next) {
      if (isNewWithSeveral(place.claimant, seen)) yield place.claimant;
    }
  }
  for (let semaphore = semaphores.contested.first; semaphore !== undefined; semaphore = semaphore.next) {
    for (let waiter = semaphore.queue.first; waiter !== undefined; waiter = waiter.next) {
      if (isNewWithSeveral(waiter.claimant, seen)) yield waiter.claimant;
    }
  }
}

function isNewWithSeveral(claimant: Claimant, seen: Set<Claimant>): boolean {
  if (claimant.waiterCount < 2 || seen.has(claimant)) return false;
  seen.add(claimant);
  // The places of a bundle are one wait.
  let count = 0;
  for (const _ of claimant.waits()) if (++count > 1) return true;
  return false;
}

function takeFrom(waits: Map<number, Wait>, key: number): Wait {
  const wait = waits.get(key);
  demand(wait !== undefined, "an order of waits that are not there");
  waits.delete(key);
  return wait;
}

function remove(claimant: Claimant, wait: Wait): void {
  switch (wait.kind) {
    case "waiter":
      return claimant.removeWaiter(wait);
    case "bundle":
      return claimant.others.removeBundle(wait);
    case "permitWaiter":
      return claimant.others.removePermitWaiter(wait);
    default:
      unreachable(wait);
  }
}

function add(claimant: Claimant, wait: Wait): void {
  switch (wait.kind) {
    case "waiter":
      return claimant.addWaiter(wait);
    case "bundle":
      return claimant.others.addBundle(wait);
    case "permitWaiter":
      return claimant.others.addPermitWaiter(wait);
    default:
      unreachable(wait);
  }
}
