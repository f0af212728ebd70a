import { assert, unreachable } from "../kernel/assert.ts";
import { BlockRestoration } from "../kernel/block-restoration.ts";
import { DecodeError } from "../kernel/bytes.ts";
import { decodeFeatureLevel } from "../kernel/feature-level.ts";
import { limits } from "../kernel/limits.ts";
import type { BlockReader } from "../kernel/snapshot-blocks.ts";
import { admit } from "./admission.ts";
import { attend } from "./attention.ts";
import { cancelOperation } from "./cancel.ts";
import { decodeCommand } from "./codec.ts";
import type { QueueCommand, QueueResult, StoredMessageView } from "./commands.ts";
import { digestOf } from "./digest.ts";
import { expireDue } from "./expiry.ts";
import { DONE, finish, limitReached } from "./operations.ts";
import type { PageStore } from "./pages.ts";
import { publish } from "./publish.ts";
import { purgeDead, purgeLive, redrive } from "./purge.ts";
import type { Queue } from "./queue.ts";
import { receive } from "./receive.ts";
import type { Operation } from "./records.ts";
import { fireSchedule, removeSchedule, setSchedule } from "./schedules.ts";
import { SETTING_NAMES } from "./settings.ts";
import { giveBack, settle } from "./settle.ts";
import { QUEUE_SNAPSHOT, readContent, writeSnapshot } from "./snapshot/content.ts";
import { discard, type Emit, type QueueLimits, QueueState } from "./state.ts";
import { changes, QUEUE_FORMULA } from "./transitions.ts";
import type { MessageState } from "./types.ts";
import { type QueueView, schedulesOf, type ScheduleState, viewMessages, viewOf } from "./views.ts";

/** What the machine needs of an entry of the log. */
export interface QueueEntry {
  readonly index: number;
  readonly kind: "noop" | "command" | "time" | "configuration" | "feature";
  readonly leaseTimeMs: number;
  readonly payload: Uint8Array;
}

/** Go into the hash of transitions. */
const kindCodes: Readonly<Record<QueueEntry["kind"], number>> = {
  noop: 0,
  command: 1,
  time: 2,
  configuration: 3,
  feature: 4,
};

/**
 * The queues of one shard as a deterministic state machine (PROTOCOLS U1–U3, Q1, T2): the same entries give the same state and the
 * same outcomes on every replica. Delivery state is a part of it: whoever leads next knows what is out, to whom, and until when.
 *
 * @example
 * const machine = new QueueMachine();
 * machine.apply(entry, ({ ingress, sequence, result }) => { … });
 */
export class QueueMachine {
  private state: QueueState;
  /** On its way in: what it keeps in pages goes when another one takes its place. */
  private coming: QueueState | undefined;

  /** @param newPages where long backlogs are kept; each state has its own */
  constructor(
    private readonly bounds: QueueLimits = limits,
    private readonly newPages?: () => PageStore,
  ) {
    this.state = this.newState();
  }

  /**
   * Applies the next entry. A command that cannot be decoded has no outcome and changes nothing (R7).
   */
  apply(entry: QueueEntry, emit: Emit): void {
    const { state } = this;
    assert(entry.index > state.appliedIndex, "entries are applied in order, each once");
    state.appliedIndex = entry.index;
    state.nowMs = Math.max(state.nowMs, entry.leaseTimeMs);
    state.emit = emit;
    state.transitions.note(changes.entry, entry.index, entry.leaseTimeMs, kindCodes[entry.kind]);
    if (entry.kind === "time") expireDue(state);
    else if (entry.kind === "command") this.applyCommand(entry.payload);
    else if (entry.kind === "feature") this.raiseFeatureLevel(entry.payload);
    attend(state);
    state.emit = discard;
  }

  /** Earliest lease time at which a time entry would end something, in ms; undefined when nothing is pending. */
  nextDeadlineMs(): number | undefined {
    return this.state.deadlines.earliestMs;
  }

  /** A hash of all that entries have done so far, in 0…2⁵³−1: of two replicas that ever differed it differs for ever. */
  stateHash(): number {
    return this.state.transitions.hash;
  }

  readonly stateHashFormula = QUEUE_FORMULA;

  /** A digest of the whole state, for comparing replicas that applied the same index. Reads all of it. */
  digest(): string {
    return digestOf(this.state);
  }

  /** How entries are understood from now on. */
  get featureLevel(): number {
    return this.state.featureLevel;
  }

  /** As of `LockMachine.snapshot`. */
  snapshot(): Iterable<Uint8Array> {
    return writeSnapshot(this.state);
  }

  /** Takes a snapshot's state in, which replaces the present one when it is whole. */
  restore(): BlockRestoration {
    this.coming?.pages.close();
    const state = this.newState();
    this.coming = state;
    const content = (input: BlockReader) => readContent(input, state);
    return new BlockRestoration(QUEUE_SNAPSHOT, content, () => {
      this.state.pages.close();
      this.state = state;
      this.coming = undefined;
    });
  }

  get appliedIndex(): number {
    return this.state.appliedIndex;
  }

  /** The largest lease time that an applied entry carried, in ms. */
  get leaseTimeMs(): number {
    return this.state.nowMs;
  }

  /** A queue that nobody has named yet is an empty one. */
  view(name: string): QueueView {
    return viewOf(name, this.state.queues.find(name));
  }

  /** By name in code-unit order, after `after`, at most `limit`. */
  page(options: { prefix: string; after: string; limit: number }): QueueView[] {
    return this.state.queues.page(options).map((queue) => viewOf(queue.key, queue));
  }

  /** Messages in one state, behind the one of that number, at most `limit`: in the order in which they would go, or died. */
  messages(name: string, where: MessageState, after: number, limit: number): StoredMessageView[] {
    const queue = this.state.queues.find(name);
    return queue === undefined ? [] : viewMessages(this.state, queue, where, after, limit);
  }

  schedules(name: string): ScheduleState[] {
    return schedulesOf(this.state.queues.find(name));
  }

  /** Of all queues: for whoever fires them. */
  *allSchedules(): Generator<{ readonly queue: string; readonly schedules: readonly ScheduleState[] }> {
    for (const queue of this.state.scheduled) yield { queue: queue.key, schedules: schedulesOf(queue) };
  }

  get counts(): { queues: number; messages: number; bytes: number; inFlight: number; receivers: number } {
    const { queues, messages, bytes, inFlight, receivers } = this.state;
    return { queues: queues.size, messages, bytes, inFlight: inFlight.size, receivers };
  }

  /** It is of no more use. */
  close(): void {
    this.coming?.pages.close();
    this.state.pages.close();
  }

  private newState(): QueueState {
    return new QueueState(this.bounds, this.newPages?.());
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
function execute(state: QueueState, operation: Operation, command: QueueCommand): QueueResult | undefined {
  switch (command.type) {
    case "registerIngress":
      return { type: "registered" };
    case "publish":
      return publish(state, command);
    case "receive":
      return receive(state, operation, command);
    case "giveBack":
      giveBack(state, command.queue, command.receipts);
      return DONE;
    case "settle":
      return settle(state, command);
    case "cancel":
      cancelOperation(state, command.ingress, command.sequence);
      return { type: "cancelled" };
    case "configure":
    case "pause":
    case "purge":
    case "redrive":
    case "setSchedule":
    case "removeSchedule":
    case "fireSchedule":
      return executeOn(state, state.queues.findOrAdd(command.queue), command);
    default:
      return unreachable(command);
  }
}

type QueueWide = "configure" | "pause" | "purge" | "redrive" | "setSchedule" | "removeSchedule" | "fireSchedule";

function executeOn(
  state: QueueState,
  queue: Queue | undefined,
  command: Extract<QueueCommand, { type: QueueWide }>,
): QueueResult {
  if (queue === undefined) return limitReached("maxQueues");
  state.touched.add(queue);
  switch (command.type) {
    case "configure":
      queue.settings = { ...queue.settings, ...command.changes };
      for (const name of SETTING_NAMES) state.transitions.note(changes.configured, queue.serial, queue.settings[name]);
      return { type: "configured", settings: queue.settings };
    case "pause":
      state.transitions.note(changes.paused, queue.serial, command.paused ? 1 : 0);
      queue.paused = command.paused;
      return DONE;
    case "purge":
      return { type: "counted", count: command.part === "live" ? purgeLive(state, queue) : purgeDead(state, queue) };
    case "redrive":
      return { type: "counted", count: redrive(state, queue, command.max) };
    case "setSchedule":
      return setSchedule(state, queue, command);
    case "removeSchedule":
      return removeSchedule(state, queue, command.id);
    case "fireSchedule":
      return fireSchedule(state, queue, command.id, command.instantMs);
    default:
      return unreachable(command);
  }
}
