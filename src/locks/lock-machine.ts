import { assert, unreachable } from "../kernel/assert.ts";
import { BlockRestoration } from "../kernel/block-restoration.ts";
import { DecodeError } from "../kernel/bytes.ts";
import { decodeFeatureLevel } from "../kernel/feature-level.ts";
import { limits } from "../kernel/limits.ts";
import type { BlockReader } from "../kernel/snapshot-blocks.ts";
import { acquire } from "./acquire.ts";
import { acquireAll } from "./acquire-all.ts";
import { cancelOperation } from "./cancel.ts";
import { decodeCommand } from "./codec.ts";
import { digestOf } from "./digest.ts";
import { expireDue } from "./expiry.ts";
import { admit } from "./admission.ts";
import { raiseGeneration } from "./generation.ts";
import { finish } from "./operations.ts";
import type { Operation } from "./records.ts";
import { acquirePermits, releasePermits } from "./permit-commands.ts";
import { release } from "./release.ts";
import { closeSession, keepalive, openSession } from "./session-commands.ts";
import { readContent, writeSnapshot } from "./snapshot/content.ts";
import { LOCK_SNAPSHOT } from "./snapshot/format.ts";
import { discard, type Emit, type LockLimits, LockState } from "./state.ts";
import { changes, TRANSITIONS_FORMULA } from "./transitions.ts";
import type { LockCommand, LockError, LockResult, LockView, SemaphoreView, SessionView, WaitEdge } from "./types.ts";
import { revisionOf, viewLock, viewOf, viewSemaphore, viewSessions } from "./views.ts";
import { waitForEdges } from "./wait-for-graph.ts";

/** What the machine needs of an entry of the log. */
export interface LockEntry {
  readonly index: number;
  readonly kind: "noop" | "command" | "time" | "configuration" | "feature";
  readonly leaseTimeMs: number;
  readonly payload: Uint8Array;
}

/** Go into the hash of transitions. */
const kindCodes: Readonly<Record<LockEntry["kind"], number>> = {
  noop: 0,
  command: 1,
  time: 2,
  configuration: 3,
  feature: 4,
};

/**
 * Locks, sessions and fences as a deterministic state machine (PROTOCOLS L1–L8, Q1, T2): the same entries give
 * the same state and the same outcomes on every replica.
 *
 * @example
 * const machine = new LockMachine();
 * machine.apply(entry, ({ ingress, sequence, result }) => { … });
 */
export class LockMachine {
  private state: LockState;

  constructor(bounds: LockLimits = limits) {
    this.state = new LockState(bounds);
  }

  /**
   * Applies the next entry. Outcomes are in order of effect, a command's own after those that it caused. A command
   * that cannot be decoded has no outcome and changes nothing (R7).
   */
  apply(entry: LockEntry, emit: Emit): void {
    const { state } = this;
    assert(entry.index > state.appliedIndex, "entries are applied in order, each once");
    state.appliedIndex = entry.index;
    state.nowMs = Math.max(state.nowMs, entry.leaseTimeMs);
    state.emit = emit;
    state.transitions.note(changes.entry, entry.index, entry.leaseTimeMs, kindCodes[entry.kind]);
    if (entry.kind === "time") expireDue(state);
    else if (entry.kind === "command") this.applyCommand(entry.payload);
    else if (entry.kind === "feature") this.raiseFeatureLevel(entry.payload);
    state.emit = discard;
    state.observers.notify();
  }

  /**
   * @param listener called after each entry that changed the lock's holders, mode or value: then its view has another
   *   revision. It must not throw, nor apply entries.
   * @returns takes the listener back
   */
  observe(lock: string, listener: () => void): () => void {
    return this.state.observers.observe(lock, listener);
  }

  /** Earliest lease time at which a time entry would end something, in ms; undefined when nothing is pending. */
  nextDeadlineMs(): number | undefined {
    return this.state.deadlines.earliestMs;
  }

  /** A hash of all that entries have done so far, in 0…2⁵³−1: of two replicas that ever differed it differs for ever. */
  stateHash(): number {
    return this.state.transitions.hash;
  }

  readonly stateHashFormula = TRANSITIONS_FORMULA;

  /** A digest of the whole state, for comparing replicas that applied the same index. */
  digest(): string {
    return digestOf(this.state);
  }

  /** How entries are understood from now on. */
  get featureLevel(): number {
    return this.state.featureLevel;
  }

  /**
   * The whole state, in pieces of at most `maxSnapshotChunkBytes`; nothing may be applied while it is read. Equal on all
   * replicas that applied the same entries.
   */
  snapshot(): Iterable<Uint8Array> {
    return writeSnapshot(this.state);
  }

  /** Takes a snapshot's state in, which replaces the present one when it is whole. */
  restore(): BlockRestoration {
    const { limits: bounds, observers } = this.state;
    const state = new LockState(bounds, observers);
    const content = (input: BlockReader) => readContent(input, state);
    return new BlockRestoration(LOCK_SNAPSHOT, content, () => {
      this.state = state;
      observers.touchAll();
      observers.notify();
    });
  }

  /**
   * For a cluster that begins with the state of another one: restore it, raise, take the snapshot anew. Every replica must
   * begin with that one.
   *
   * @param wallMs now: the same state, restored twice, gives out larger tokens the second time
   * @returns why not, or undefined
   */
  raiseGeneration(wallMs: number): LockError | undefined {
    return raiseGeneration(this.state, wallMs);
  }

  /** Of tokens: rises each time that the cluster is restored or recovered. */
  get generation(): number {
    return this.state.generation;
  }

  /** Every later token is larger. */
  get lastToken(): number {
    return this.state.lastToken;
  }

  get appliedIndex(): number {
    return this.state.appliedIndex;
  }

  /** The largest lease time that an applied entry carried, in ms. */
  get leaseTimeMs(): number {
    return this.state.nowMs;
  }

  /** Commands that could not be decoded. */
  get undecodable(): number {
    return this.state.undecodable;
  }

  view(lock: string): LockView {
    return viewLock(this.state, lock);
  }

  /** Of a lock, as in its view but without making one. */
  revision(lock: string): number {
    return revisionOf(this.state.locks.find(lock));
  }

  semaphore(name: string): SemaphoreView {
    return viewSemaphore(this.state, name);
  }

  /** Locks held or waited for, by name in code-unit order, after `after`, at most `limit`. */
  page(options: { readonly prefix: string; readonly after: string; readonly limit: number }): LockView[] {
    return this.state.locks.page(options).map((lock) => viewOf(this.state, lock));
  }

  /** Sessions in the order in which they were opened, after the one of that number, at most `limit`. */
  sessions(afterNumber: number, limit: number): SessionView[] {
    return viewSessions(this.state, afterNumber, limit);
  }

  /** At most `limit` edges: of locks, then of semaphores. */
  waitForGraph(limit: number): WaitEdge[] {
    return waitForEdges(this.state, limit);
  }

  /** Holds of locks and of permits; places in all queues. */
  get counts(): {
    locks: number;
    semaphores: number;
    holds: number;
    waiters: number;
    sessions: number;
    fences: number;
  } {
    const { locks, semaphores, holds, waiters, sessions, fences } = this.state;
    return {
      locks: locks.size,
      semaphores: semaphores.size,
      holds,
      waiters,
      sessions: sessions.size,
      fences: fences.size,
    };
  }

  private raiseFeatureLevel(payload: Uint8Array): void {
    const { state } = this;
    const level = this.decoded(payload, decodeFeatureLevel);
    if (level === undefined || level <= state.featureLevel) return;
    state.featureLevel = level;
    state.transitions.note(changes.featureLevel, level);
  }

  /** @returns undefined for what cannot be decoded: it is counted, and changes nothing else (R7) */
  private decoded<Value>(payload: Uint8Array, decode: (payload: Uint8Array) => Value): Value | undefined {
    try {
      return decode(payload);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      this.state.undecodable += 1;
      this.state.transitions.note(changes.undecodable, payload.length);
      return undefined;
    }
  }

  private applyCommand(payload: Uint8Array): void {
    const envelope = this.decoded(payload, decodeCommand);
    if (envelope === undefined) return;
    const operation = admit(this.state, envelope);
    if (operation === undefined) return;
    const result = execute(this.state, operation, envelope.command);
    if (result !== undefined) finish(this.state, operation, result);
  }
}

/** @returns undefined when the operation waits */
function execute(state: LockState, operation: Operation, command: LockCommand): LockResult | undefined {
  switch (command.type) {
    case "registerIngress":
      return { type: "registered" };
    case "openSession":
      return openSession(state, command.session, command.ttlMs);
    case "keepalive":
      return keepalive(state, command.sessions);
    case "closeSession":
      return closeSession(state, command.session);
    case "acquire":
      return acquire(state, operation, command);
    case "acquireAll":
      return acquireAll(state, operation, command);
    case "acquirePermits":
      return acquirePermits(state, operation, command);
    case "releasePermits":
      return releasePermits(state, command);
    case "release":
      return release(state, command);
    case "cancel":
      cancelOperation(state, command.ingress, command.sequence);
      return { type: "cancelled" };
    case "fence":
      return offerFence(state, command.resource, command.token);
    default:
      return unreachable(command);
  }
}

function offerFence(state: LockState, resource: string, token: number): LockResult {
  const { fences } = state;
  if (fences.find(resource) === undefined && fences.size >= state.limits.maxFences) {
    return { type: "error", code: "limit", limit: "maxFences" };
  }
  const highest = fences.offer(resource, token);
  return highest === token ? { type: "fenceAccepted", highest } : { type: "error", code: "stale_token", highest };
}
