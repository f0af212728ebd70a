import type { OperationFailure } from "../engine/ingress.ts";
import { operationOptions } from "../engine/lock-protocol.ts";
import type { Prng } from "../kernel/prng.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockCommand, LockResult, LockView, SemaphoreView } from "../locks/types.ts";
import { operationKey } from "./checks/operation-key.ts";
import type { Question } from "./checks/client-checks.ts";
import { Client, isAcquire, semaphores } from "./client.ts";
import { type Asked, ClientHistory } from "./client-history.ts";
import type { AttemptEnd, AttemptRecord, ClientRecord } from "./client-records.ts";
import type { SimNode } from "./sim-node.ts";
import type { SimProcess } from "./sim-process.ts";
import { check } from "./violation.ts";
import type { World } from "./world.ts";

/** One request of a client to one node. */
interface Attempt {
  readonly client: Client;
  readonly command: LockCommand;
  readonly idempotencyKey: string | undefined;
  readonly question: Question;
  readonly asked: Asked;
  readonly askedMs: number;
  readonly node: SimNode;
  process: SimProcess | undefined;
  /** Sequence at the ingress; 0 before the node has it. */
  sequence: number;
}

/** @param index undefined: no leader answered in time, and the view tells nothing */
type Told = (index: number | undefined, view: LockView | SemaphoreView) => void;

/** How often a client asks again for what it does not know the end of. */
const RETRIES = 0.7;
const ABANDONS = 0.08;
const LOST_ANSWERS = 0.03;
/** After a node that does not run was asked. */
const REFUSED_PAUSE_MS = 30;

/** Clients of all nodes: what they ask, what they are told, and what they do when they are told nothing. */
export class Workload {
  readonly ends = new Map<string, number>();
  readonly history = new ClientHistory();
  private readonly records: ClientRecord[] = [];
  private readonly clients: Client[] = [];
  private readonly attempts = new Set<Attempt>();
  private readonly left: { readonly node: SimNode; readonly process: SimProcess; readonly sequence: number }[] = [];
  private reads = 0;
  private asksToRead = 0;
  private stopped = false;

  constructor(
    private readonly world: World,
    private readonly nodes: readonly SimNode[],
    private readonly random: Prng,
  ) {
    for (let i = 1; i <= world.profile.clients; i++) {
      const client = new Client(i, world.profile.locks, random);
      this.clients.push(client);
      this.think(client);
    }
  }

  /** Requests that wait for their end. */
  get pending(): number {
    return this.attempts.size + this.reads;
  }

  /** What clients asked and were told, in the order of the ends; the end of what is still open is unknown. */
  recorded(): ClientRecord[] {
    return [...this.records, ...[...this.attempts].map((attempt) => this.recordOf(attempt, { type: "cut" }))];
  }

  /** Nothing is left of requests whose clients have gone, unless the process that they asked has, too (PROTOCOLS L7). */
  checkLeft(isCleared: (operation: number) => boolean): void {
    for (const { node, process, sequence } of this.left) {
      if (node.process !== process) continue;
      const cleared = isCleared(operationKey(process.host.ingress.identity, sequence));
      check(cleared, "L7 who goes away leaves nothing behind", () => {
        return `operation ${process.host.ingress.identity}:${sequence} of ${node.name} has not been cancelled`;
      });
    }
  }

  /** Nothing new is asked. */
  stop(): void {
    this.stopped = true;
  }

  /** Connections to the node broke: nobody knows what became of what was asked there. */
  nodeCrashed(node: SimNode): void {
    for (const attempt of this.attempts) {
      if (attempt.node !== node) continue;
      this.unknown(attempt);
      this.end(attempt, "connection lost", { type: "cut" }, true);
    }
  }

  private think(client: Client): void {
    const thinkMs = -Math.log(1 - this.random.next()) * this.world.profile.thinkMs;
    this.world.scheduler.after(thinkMs, 0, () => this.act(client));
  }

  private act(client: Client): void {
    if (this.stopped) return;
    const node = this.random.chance(0.7) ? this.home(client) : this.random.pick(this.nodes);
    if (this.random.chance(this.world.profile.reads)) {
      this.read(client, node);
      return;
    }
    const command = client.next(node.name);
    const idempotencyKey = this.random.chance(0.4) ? `key-${client.id}-${client.requests}` : undefined;
    const asked = this.history.ask(command, this.world.scheduler.nowMs);
    this.ask(client, node, asked, idempotencyKey, this.world.checks.clients.ask(command));
  }

  private home(client: Client): SimNode {
    return this.nodes[client.id % this.nodes.length] as SimNode;
  }

  private ask(
    client: Client,
    node: SimNode,
    asked: Asked,
    idempotencyKey: string | undefined,
    question: Question,
  ): void {
    const { command } = asked;
    const askedMs = this.world.scheduler.nowMs;
    const known = { client, command, idempotencyKey, question, asked, askedMs, node };
    const attempt: Attempt = { ...known, process: undefined, sequence: 0 };
    if (node.process === undefined) {
      this.count("connection refused");
      this.records.push(this.recordOf(attempt, { type: "refused" }));
      this.world.scheduler.after(REFUSED_PAUSE_MS, 0, () => this.act(client));
      return;
    }
    this.attempts.add(attempt);
    this.note(client, node, "asks", command);
    node.later(0, () => this.submit(attempt));
  }

  private submit(attempt: Attempt): void {
    const { process } = attempt.node;
    if (process === undefined || !this.attempts.has(attempt)) return;
    attempt.process = process;
    const { ingress } = process.host;
    const { command, idempotencyKey } = attempt;
    const options = operationOptions(command, idempotencyKey);
    attempt.sequence =
      ingress.submit(command, process.engine.nowMs(), options, (end) => {
        if (!this.attempts.has(attempt)) return;
        if ("result" in end) this.answered(attempt, end.result);
        else this.failed(attempt, end.failure);
      }) ?? 0;
    process.engine.wake();
    if (isAcquire(command) && this.random.chance(ABANDONS)) this.abandonLater(attempt, command.waitMs);
  }

  private abandonLater(attempt: Attempt, waitMs: number): void {
    attempt.node.later(this.random.next() * waitMs, () => {
      if (!this.attempts.has(attempt) || attempt.process === undefined) return;
      attempt.process.host.ingress.abandon(attempt.sequence, attempt.process.engine.nowMs());
      attempt.process.engine.wake();
      this.unknown(attempt);
      this.leave(attempt);
      this.end(attempt, "abandoned", { type: "gone" }, false);
    });
  }

  private answered(attempt: Attempt, result: LockResult): void {
    const { client, command, process, node, question } = attempt;
    if (process === undefined) return;
    if (isAcquire(command) && result.type !== "error" && this.random.chance(LOST_ANSWERS)) {
      process.host.ingress.undelivered(attempt.sequence, process.engine.nowMs());
      this.unknown(attempt);
      this.leave(attempt);
      this.end(attempt, "answer lost", { type: "gone" }, false);
      return;
    }
    attempt.asked.answer = { result, atMs: this.world.scheduler.nowMs };
    this.world.checks.clients.answered(
      operationKey(process.host.ingress.identity, attempt.sequence),
      command,
      result,
      question,
    );
    client.learn(command, result, node.name);
    this.note(client, node, "is told", result);
    this.end(attempt, result.type === "error" ? result.code : result.type, { type: "answered", result }, false);
  }

  private failed(attempt: Attempt, failure: OperationFailure): void {
    if (failure === "outcome_unknown") {
      this.unknown(attempt);
      if (isAcquire(attempt.command)) this.leave(attempt);
    } else this.refused(attempt);
    this.end(attempt, failure, { type: "failed", failure }, true);
  }

  /** The client was told that it never happened: that must stay true, whatever copies are still under way (Q2). */
  private refused({ process, sequence }: Attempt): void {
    if (process === undefined || sequence === 0) return;
    this.world.checks.clients.refused(operationKey(process.host.ingress.identity, sequence));
  }

  /** The client has gone, and its node knows. */
  private leave({ node, process, sequence }: Attempt): void {
    if (process !== undefined) this.left.push({ node, process, sequence });
  }

  private unknown({ asked, askedMs }: Attempt): void {
    asked.unknownMs.push(askedMs);
  }

  private end(attempt: Attempt, how: string, end: AttemptEnd, retry: boolean): void {
    this.attempts.delete(attempt);
    this.records.push(this.recordOf(attempt, end));
    this.count(how);
    const { client, asked, idempotencyKey, question } = attempt;
    if (!this.stopped && retry && idempotencyKey !== undefined && this.random.chance(RETRIES)) {
      const node = this.random.pick(this.nodes);
      this.world.scheduler.after(this.random.next() * 50, 0, () => {
        if (!this.stopped) this.ask(client, node, asked, idempotencyKey, question);
      });
    } else this.think(client);
  }

  private recordOf(
    { client: { id: client }, node: { name: node }, command, idempotencyKey, askedMs: fromMs }: Attempt,
    end: AttemptEnd,
  ): AttemptRecord {
    const { nowMs: toMs } = this.world.scheduler;
    return { type: "attempt", client, node, command, idempotencyKey, fromMs, toMs, end };
  }

  private read(client: Client, node: SimNode): void {
    const { checks } = this.world;
    const question = checks.clients.ask();
    const { nowMs: askedMs } = this.world.scheduler;
    // Drawn from no stream: a seed does the same whatever is looked at.
    const number = this.asksToRead++ % (this.world.profile.locks + semaphores.length);
    const name = semaphores[number] ?? `lock-${number - semaphores.length}`;
    this.reads++;
    let open = true;
    const close = (): void => {
      if (!open) return;
      open = false;
      this.reads--;
      this.think(client);
    };
    const { process } = node;
    if (process === undefined) {
      close();
      return;
    }
    // A read that dies with its node is asked again by the client after a while.
    this.world.scheduler.after(8_000, 0, close);
    node.later(0, () => {
      this.look(process, name, (index, view) => {
        if (open && index !== undefined) {
          checks.clients.read(index, process.locks.appliedIndex, question);
          const { nowMs: toMs } = this.world.scheduler;
          this.history.read(view, askedMs, toMs);
          const { appliedIndex, leaseTimeMs } = process.locks;
          const asked = { client: client.id, node: node.name, fromMs: askedMs, toMs };
          this.records.push({ type: "read", view, index: appliedIndex, leaseTimeMs, ...asked });
        }
        this.count(index === undefined ? "read failed" : "read");
        close();
      });
      process.engine.wake();
    });
  }

  /** A linearizable read: asks the leader, and then looks. */
  private look({ host, engine, locks }: SimProcess, name: string, told: Told): void {
    host.readBarrier(engine.nowMs(), (index) => told(index, viewOf(locks, name)));
  }

  private count(end: string): void {
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
  }

  private note(client: Client, node: SimNode, what: string, detail: unknown): void {
    this.world.trace.add(this.world.scheduler.nowMs, node.id, `client ${client.id} ${what}`, detail);
  }
}

/** Of a lock or a semaphore. */
export function viewOf(locks: LockMachine, name: string): LockView | SemaphoreView {
  return semaphores.some((semaphore) => semaphore === name) ? locks.semaphore(name) : locks.view(name);
}
