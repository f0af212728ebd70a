import { encodeCommand } from "../../src/queue/codec.ts";
import type { QueueCommand, QueueResult } from "../../src/queue/commands.ts";
import { QueueMachine } from "../../src/queue/queue-machine.ts";
import { GroupError, type SubmitOptions } from "../../src/server/control-group.ts";
import { EmbeddedQueues } from "../../src/server/embedded-queues.ts";
import type { QueueShard } from "../../src/server/queue-shard.ts";

const INGRESS = 1;

/** A shard of one replica without log or disk: the real state machine, to which every command is applied at once. */
class LocalShard implements QueueShard {
  readonly machine = new QueueMachine();
  readonly client = {
    submit: (command: QueueCommand, options?: SubmitOptions) => this.submit(command, options),
    readBarrier: async () => this.machine.appliedIndex,
    close: () => clearTimeout(this.timer),
  };
  private readonly waiting = new Map<number, (result: QueueResult) => void>();
  private readonly startMs = performance.now();
  private index = 0;
  private sequence = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor(readonly group: number) {
    void this.submit({ type: "registerIngress", node: "node1" });
  }

  leaseTimeMs(): number {
    return Math.floor(performance.now() - this.startMs) + 1_000;
  }

  private submit(command: QueueCommand, options: SubmitOptions = {}): Promise<QueueResult> {
    const sequence = ++this.sequence;
    const { promise, resolve, reject } = Promise.withResolvers<QueueResult>();
    this.waiting.set(sequence, resolve);
    options.signal?.addEventListener("abort", () => {
      if (!this.waiting.delete(sequence)) return;
      void this.submit({ type: "cancel", ingress: INGRESS, sequence });
      reject(new GroupError("aborted"));
    });
    const floor = Math.min(...this.waiting.keys());
    const { idempotencyKey } = options;
    this.apply("command", encodeCommand({ ingress: INGRESS, sequence, floor, idempotencyKey, command }));
    return promise;
  }

  private apply(kind: "command" | "time", payload: Uint8Array): void {
    const entry = { index: ++this.index, kind, leaseTimeMs: this.leaseTimeMs(), payload };
    this.machine.apply(entry, ({ sequence, result }) => {
      if (result === undefined) return;
      this.waiting.get(sequence)?.(result);
      this.waiting.delete(sequence);
    });
    this.schedule();
  }

  private schedule(): void {
    clearTimeout(this.timer);
    const deadlineMs = this.machine.nextDeadlineMs();
    if (deadlineMs === undefined) return;
    const delayMs = Math.max(1, deadlineMs - this.leaseTimeMs());
    this.timer = setTimeout(() => this.apply("time", new Uint8Array(0)), delayMs);
    this.timer.unref();
  }
}

/** The embedded backend over shards of this kind. */
export function localQueues(shards = 2): EmbeddedQueues {
  return new EmbeddedQueues({
    shards: Array.from({ length: shards }, (_, i) => new LocalShard(i + 1)),
    shardOf: (queue) => queue.length % shards,
    nonce: () => Math.floor(Math.random() * 2 ** 48),
    wallMs: () => Date.now(),
  });
}
