import { decodeCommand } from "../../queue/codec.ts";
import type { DeliveryId, QueueCommand, QueueEnvelope, QueueResult, TakenMessage } from "../../queue/commands.ts";
import type { QueueMachine } from "../../queue/queue-machine.ts";
import type { SettlementEnd } from "../../queue/types.ts";
import type { Outcome } from "../../engine/state-machine.ts";
import type { Entry } from "../../raft/types.ts";
import { hashBytes } from "../hash-bytes.ts";
import { check } from "../violation.ts";
import { DedupeChecks } from "./dedupe-checks.ts";
import { operationKey } from "./operation-key.ts";

/** A delivery that has not ended, as far as entries say so. */
interface Out {
  readonly operation: number;
  /** Lease time. */
  untilMs: number;
}

/** A message whose publish was applied, until it was acked or purged. */
interface LiveMessage {
  readonly number: number;
  readonly queue: string;
  readonly body: number;
  readonly group: string | undefined;
  attempt: number;
  nonce: number;
  out: Out | undefined;
  /** Was a dead letter once, and goes out of turn. */
  redriven: boolean;
}

type Receive = Extract<QueueCommand, { type: "receive" }>;
type Settle = Extract<QueueCommand, { type: "settle" }>;

/** Between two counts of all messages, in entries. */
const COUNT_EVERY = 16;
/** More than a run has. */
const ALL = 1_000_000;

/**
 * What the queue promises, judged on the log alone (PROTOCOLS U1–U3): it follows the commands and what they came to, and knows
 * nothing of how the machine does it.
 */
export class ShardJudge {
  private readonly live = new Map<number, LiveMessage>();
  /** Acked or purged. */
  private readonly gone = new Set<number>();
  private readonly asked = new Map<number, QueueCommand>();
  private readonly ended = new Set<number>();
  /** Client's keys under which something was carried out. */
  private readonly keys = new Set<string>();
  private readonly dedupe = new DedupeChecks();
  private lastNumber = 0;
  published = 0;
  deliveries = 0;
  acked = 0;

  /** Live, or dead letters. */
  get pending(): number {
    return this.live.size;
  }

  apply(entry: Entry, outcomes: readonly Outcome<QueueResult>[], machine: QueueMachine): void {
    const nowMs = entry.leaseTimeMs;
    const envelope = entry.kind === "command" ? decodeCommand(entry.payload) : undefined;
    if (envelope !== undefined) this.asks(envelope);
    // What comes back may go out again by the same entry.
    if (entry.kind === "time") this.pass(nowMs);
    for (const { ingress, sequence, result } of outcomes) {
      const operation = operationKey(ingress, sequence);
      if (result === undefined || result.type === "error" || this.ended.has(operation)) continue;
      this.ended.add(operation);
      const command = this.asked.get(operation);
      const own = envelope?.ingress === ingress && envelope.sequence === sequence ? envelope : undefined;
      if (command !== undefined) this.ends(operation, command, result, own, nowMs, machine);
    }
    if (entry.index % COUNT_EVERY === 0) this.count(machine);
  }

  /** Everything that was confirmed and not acked is there, and nothing else. */
  count(machine: QueueMachine): void {
    const found = new Set<number>();
    for (const { queue } of machine.page({ prefix: "", after: "", limit: ALL })) {
      for (const state of ["ready", "delayed", "in_flight", "dead"] as const) {
        for (const { message } of machine.messages(queue, state, 0, ALL)) {
          check(!found.has(message), "U1 a message is in one place", () => `message ${message} is in ${queue} twice`);
          check(this.live.has(message), "U1 what was acked is gone", () => `message ${message} is in ${queue}`);
          found.add(message);
        }
      }
    }
    for (const { number, queue, attempt } of this.live.values()) {
      check(found.has(number), "U1 what was confirmed is never lost", () => {
        return `message ${number} of ${queue}, delivered ${attempt} times, is nowhere`;
      });
    }
  }

  private asks({ ingress, sequence, command }: QueueEnvelope): void {
    const operation = operationKey(ingress, sequence);
    if (!this.asked.has(operation)) this.asked.set(operation, command);
    // Whatever its delivery was, nobody has it any more.
    if (command.type === "cancel") this.givenBack(operationKey(command.ingress, command.sequence));
  }

  private ends(
    operation: number,
    command: QueueCommand,
    result: QueueResult,
    own: QueueEnvelope | undefined,
    nowMs: number,
    machine: QueueMachine,
  ): void {
    const key = own?.idempotencyKey;
    // The result of the first is told again, and nothing happens.
    if (key !== undefined && this.keys.has(key)) return;
    if (key !== undefined) this.keys.add(key);
    if (command.type === "publish" && result.type === "published") this.publishes(command, result, nowMs);
    else if (command.type === "receive" && result.type === "received") {
      for (const taken of result.messages)
        this.delivers(operation, command, taken, nowMs + result.visibilityMs, nowMs, machine);
    } else if (command.type === "settle" && result.type === "settled") this.settles(command, result.ends, nowMs);
    else if (command.type === "giveBack") {
      for (const receipt of command.receipts) {
        const message = this.current(receipt);
        if (message !== undefined) message.out = undefined;
      }
    } else if (command.type === "redrive") this.redriven(command.queue);
    else if (command.type === "purge" && result.type === "counted") this.purges(command.queue, result.count, machine);
  }

  private publishes(
    { queue, messages }: Extract<QueueCommand, { type: "publish" }>,
    result: Extract<QueueResult, { type: "published" }>,
    nowMs: number,
  ): void {
    for (const [i, { message: number, duplicate }] of result.messages.entries()) {
      const asked = messages[i];
      check(asked !== undefined, "a publish ends for each message", () => `${messages.length} were published`);
      if (asked.dedupeId !== undefined) this.dedupe.published(queue, asked.dedupeId, number, duplicate, nowMs);
      if (duplicate) continue;
      check(number > this.lastNumber, "U1 numbers of messages rise", () => `${number} comes after ${this.lastNumber}`);
      this.lastNumber = number;
      this.published++;
      const known = { number, queue, body: hashBytes(asked.body), group: asked.groupKey, redriven: false };
      this.live.set(number, { ...known, attempt: 0, nonce: 0, out: undefined });
    }
  }

  private delivers(
    operation: number,
    { queue }: Receive,
    taken: TakenMessage,
    untilMs: number,
    nowMs: number,
    machine: QueueMachine,
  ): void {
    const message = this.live.get(taken.message);
    check(
      message !== undefined && message.queue === queue,
      "U1 only what was published is delivered, until it is acked",
      () => {
        const how = this.gone.has(taken.message) ? "had been acked" : "was never published there";
        return `message ${taken.message} of ${queue} is delivered, and ${how}`;
      },
    );
    check(message.body === hashBytes(taken.body), "a message is what was published", () => `message ${taken.message}`);
    check(taken.attempt > message.attempt, "U1 attempts rise", () => {
      return `message ${taken.message} is delivered as attempt ${taken.attempt} after ${message.attempt}`;
    });
    const { out } = message;
    check(out === undefined || out.untilMs <= nowMs, "U1 what is out is not delivered again before its time", () => {
      return `message ${taken.message} is delivered at ${nowMs} ms, and is out until ${out?.untilMs}`;
    });
    this.inTurn(message, machine);
    message.attempt = taken.attempt;
    message.nonce = taken.nonce;
    message.out = { operation, untilMs };
    this.deliveries++;
  }

  /** One of a group at a time, in the order in which they were published. */
  private inTurn({ group, queue, number, redriven }: LiveMessage, machine: QueueMachine): void {
    if (group === undefined) return;
    for (const other of this.live.values()) {
      if (other.group !== group || other.queue !== queue || other.number === number) continue;
      check(other.out === undefined, "U1 of a group one message is out", () => {
        return `message ${number} of ${queue} goes out beside ${other.number} of group ${group}`;
      });
      if (other.number > number || other.redriven || redriven) continue;
      const isDead = machine.messages(queue, "dead", 0, ALL).some(({ message }) => message === other.number);
      check(isDead, "U1 a group keeps its order", () => {
        return `message ${number} of ${queue} goes out before ${other.number} of group ${group}`;
      });
    }
  }

  private settles({ receipts, settlement }: Settle, ends: readonly SettlementEnd[], nowMs: number): void {
    for (const [i, receipt] of receipts.entries()) {
      const end = ends[i];
      const message = this.current(receipt);
      if (end === "done" || end === "dead") {
        check(message?.out !== undefined, "U1 no stale receipt is good", () => {
          return `${settlement.type} of attempt ${receipt.attempt} of message ${receipt.message} counts, and that attempt has ended`;
        });
        if (settlement.type === "extend") message.out.untilMs = nowMs + settlement.visibilityMs;
        else message.out = undefined;
        if (settlement.type === "ack") this.ackedOne(message);
      } else {
        const out = message?.out;
        check(out === undefined || out.untilMs <= nowMs, "U1 a receipt is good until its time is over", () => {
          return `${settlement.type} of attempt ${receipt.attempt} of message ${receipt.message} at ${nowMs} ms is ${end}, and it is out until ${out?.untilMs}`;
        });
      }
    }
  }

  private ackedOne({ number }: LiveMessage): void {
    this.live.delete(number);
    this.gone.add(number);
    this.acked++;
  }

  private purges(queue: string, count: number, machine: QueueMachine): void {
    const dead = new Set(machine.messages(queue, "dead", 0, ALL).map(({ message }) => message));
    const purged = [...this.live.values()].filter((message) => {
      return message.queue === queue && message.out === undefined && !dead.has(message.number);
    });
    check(purged.length === count, "a purge says how many it took", () => `${count} of ${purged.length} of ${queue}`);
    for (const { number } of purged) {
      this.live.delete(number);
      this.gone.add(number);
    }
  }

  /** Any dead letter may have been. */
  private redriven(queue: string): void {
    for (const message of this.live.values()) if (message.queue === queue) message.redriven = true;
  }

  private givenBack(operation: number): void {
    for (const message of this.live.values()) if (message.out?.operation === operation) message.out = undefined;
  }

  /** A time entry ends what is due. */
  private pass(nowMs: number): void {
    for (const message of this.live.values()) {
      if (message.out !== undefined && message.out.untilMs <= nowMs) message.out = undefined;
    }
  }

  /** Whose newest attempt the receipt names. */
  private current({ message: number, attempt, nonce }: DeliveryId): LiveMessage | undefined {
    const message = this.live.get(number);
    return message?.attempt === attempt && message.nonce === nonce ? message : undefined;
  }
}
