import type { OperationFailure } from "../engine/ingress.ts";
import { queueOperationOptions } from "../engine/queue-protocol.ts";
import { Hash } from "../kernel/hash.ts";
import type { Prng } from "../kernel/prng.ts";
import type { QueueCommand, QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import type { AppliedLog } from "./checks/applied-log.ts";
import { operationKey } from "./checks/operation-key.ts";
import { QueueClient, simQueues } from "./queue-client.ts";
import type { SimNode } from "./sim-node.ts";
import type { SimShard } from "./sim-process.ts";
import { check } from "./violation.ts";
import type { World } from "./world.ts";

/** One request of a client to one node. */
interface Attempt {
  readonly client: QueueClient;
  readonly command: QueueCommand;
  readonly idempotencyKey: string | undefined;
  readonly node: SimNode;
  shard: SimShard | undefined;
  /** At the ingress; 0 before the node has it. */
  sequence: number;
}

const CLIENTS = 6;
const RETRIES = 0.7;
const ABANDONS = 0.06;
const LOST_ANSWERS = 0.03;
/** After a node was asked that does not run. */
const REFUSED_PAUSE_MS = 30;

/** Publishers and consumers of one shard: what they ask, what they are told, and what they do when they are told nothing. */
export class QueueWorkload {
  readonly ends = new Map<string, number>();
  private readonly attempts = new Set<Attempt>();
  private readonly hash = new Hash();
  private mode: "asking" | "stopped" | "draining" = "asking";
  private readonly clients: QueueClient[] = [];

  constructor(
    private readonly world: World,
    private readonly applied: AppliedLog<QueueResult, QueueMachine>,
    private readonly nodes: readonly SimNode[],
    private readonly random: Prng,
  ) {
    for (let id = 1; id <= CLIENTS; id++) {
      const client = new QueueClient(id, random);
      this.clients.push(client);
      this.think(client);
    }
  }

  /** Requests that wait for their end. */
  get pending(): number {
    return this.attempts.size;
  }

  /** Nothing new is asked. */
  stop(): void {
    this.mode = "stopped";
  }

  /** All that is left is received and acked. */
  drain(): void {
    this.mode = "draining";
    for (const client of this.clients) this.think(client);
  }

  /** Connections to the node broke: nobody knows what became of what was asked there. */
  nodeCrashed(node: SimNode): void {
    for (const attempt of this.attempts) if (attempt.node === node) this.end(attempt, "connection lost", true);
  }

  private think(client: QueueClient): void {
    const thinkMs = -Math.log(1 - this.random.next()) * this.world.profile.thinkMs;
    this.world.scheduler.after(thinkMs, 0, () => this.act(client));
  }

  private act(client: QueueClient): void {
    if (this.mode === "stopped") return;
    const node = this.random.pick(this.nodes);
    const command = this.mode === "draining" ? client.drain(this.random.pick(simQueues)) : client.next();
    const isRepeatable = command.type === "publish" || command.type === "settle";
    const idempotencyKey = isRepeatable && this.random.chance(0.4) ? `q-${client.id}-${client.requests}` : undefined;
    this.ask(client, node, command, idempotencyKey);
  }

  private ask(client: QueueClient, node: SimNode, command: QueueCommand, idempotencyKey: string | undefined): void {
    if (node.process === undefined) {
      this.count("connection refused");
      this.world.scheduler.after(REFUSED_PAUSE_MS, 0, () => this.act(client));
      return;
    }
    const attempt: Attempt = { client, command, idempotencyKey, node, shard: undefined, sequence: 0 };
    this.attempts.add(attempt);
    this.world.trace.add(this.world.scheduler.nowMs, node.id, `consumer ${client.id} asks`, command);
    node.later(0, () => this.submit(attempt));
  }

  private submit(attempt: Attempt): void {
    const { node, command, idempotencyKey } = attempt;
    const { process } = node;
    if (process?.shard === undefined || !this.attempts.has(attempt)) return;
    attempt.shard = process.shard;
    const { ingress } = process.shard.host;
    const options = queueOperationOptions(command, idempotencyKey);
    attempt.sequence =
      ingress.submit(command, process.engine.nowMs(), options, (end) => {
        if (!this.attempts.has(attempt)) return;
        if ("result" in end) this.answered(attempt, end.result);
        else this.failed(attempt, end.failure);
      }) ?? 0;
    process.engine.wake();
    if (command.type === "receive" && this.random.chance(ABANDONS)) this.abandonLater(attempt, command.waitMs);
  }

  private abandonLater(attempt: Attempt, waitMs: number): void {
    attempt.node.later(this.random.next() * waitMs, () => {
      const { process } = attempt.node;
      if (!this.attempts.has(attempt) || process === undefined) return;
      attempt.shard?.host.ingress.abandon(attempt.sequence, process.engine.nowMs());
      process.engine.wake();
      this.end(attempt, "abandoned", false);
    });
  }

  private answered(attempt: Attempt, result: QueueResult): void {
    const { client, command, shard, node, sequence } = attempt;
    const { process } = node;
    if (shard === undefined || process === undefined) return;
    if (command.type === "receive" && result.type === "received" && this.random.chance(LOST_ANSWERS)) {
      shard.host.ingress.undelivered(sequence, process.engine.nowMs());
      this.end(attempt, "answer lost", false);
      return;
    }
    const first = this.applied.result(operationKey(shard.host.ingress.identity, sequence));
    check(first?.hash === this.hash.reset().value(result).finish(), "an answer is what the log says", () => {
      return `${JSON.stringify(command)} is answered ${JSON.stringify(result)}`;
    });
    client.learn(command, result);
    this.world.trace.add(this.world.scheduler.nowMs, node.id, `consumer ${client.id} is told`, result);
    this.end(attempt, result.type === "error" ? result.code : result.type, false);
  }

  private failed(attempt: Attempt, failure: OperationFailure): void {
    const { shard, sequence } = attempt;
    // It was told that it never happened: that must stay true, whatever copies are still under way (PROTOCOLS Q2).
    if (failure !== "outcome_unknown" && shard !== undefined && sequence > 0) {
      this.applied.mustNotHappen(operationKey(shard.host.ingress.identity, sequence));
    }
    this.end(attempt, failure, true);
  }

  private end(attempt: Attempt, how: string, retry: boolean): void {
    this.attempts.delete(attempt);
    this.count(how);
    const { client, command, idempotencyKey } = attempt;
    if (this.mode !== "stopped" && retry && idempotencyKey !== undefined && this.random.chance(RETRIES)) {
      const node = this.random.pick(this.nodes);
      this.world.scheduler.after(this.random.next() * 50, 0, () => {
        if (this.mode === "asking") this.ask(client, node, command, idempotencyKey);
        else this.act(client);
      });
    } else this.think(client);
  }

  private count(end: string): void {
    this.ends.set(end, (this.ends.get(end) ?? 0) + 1);
  }
}
