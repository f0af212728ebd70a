import { encodeCommand } from "../../src/locks/codec.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";
import type { LockCommand, LockResult, LockView, SemaphoreView, SessionView, WaitEdge } from "../../src/locks/types.ts";
import {
  type ControlGroup,
  GroupError,
  type Leadership,
  type NodeStatus,
  type ObserveOptions,
  type SubmitOptions,
} from "../../src/server/control-group.ts";
import { LockObservers } from "../../src/server/lock-observers.ts";
import { ScriptedControlGroup } from "./scripted-control-group.ts";

const INGRESS = 1;

/** A cluster of one without log or disk: the real state machine, to which every command is applied at once. */
export class LocalControlGroup implements ControlGroup {
  readonly nodeId = "node1";
  private readonly machine = new LockMachine();
  readonly observers = new LockObservers(this.machine);
  private readonly waiting = new Map<number, (result: LockResult) => void>();
  private readonly startMs = performance.now();
  private index = 0;
  private sequence = 0;
  private timer: ReturnType<typeof setTimeout> | undefined;

  constructor() {
    void this.submit({ type: "registerIngress", node: this.nodeId });
  }

  submit(command: LockCommand, options: SubmitOptions = {}): Promise<LockResult> {
    const sequence = ++this.sequence;
    const { promise, resolve, reject } = Promise.withResolvers<LockResult>();
    this.waiting.set(sequence, resolve);
    options.signal?.addEventListener("abort", () => {
      if (!this.waiting.delete(sequence)) return;
      void this.submit({ type: "cancel", ingress: INGRESS, sequence });
      reject(new GroupError("aborted"));
    });
    const floor = Math.min(...this.waiting.keys());
    const envelope = { ingress: INGRESS, sequence, floor, idempotencyKey: options.idempotencyKey, command };
    this.apply("command", encodeCommand(envelope));
    return promise;
  }

  async keepalive(session: string): Promise<number | undefined> {
    const result = await this.submit({ type: "keepalive", sessions: [session] });
    return result.type === "keptAlive" ? result.expiresInMs[0] : undefined;
  }

  async transferLeadership(): Promise<"unreachable"> {
    return "unreachable";
  }

  async changeMembers(): Promise<{ type: "notLeader"; replica: number }> {
    return { type: "notLeader", replica: 0 };
  }

  observe(lock: string, options: ObserveOptions): Promise<void> {
    return this.observers.wait(lock, options);
  }

  async readBarrier(): Promise<number> {
    return this.machine.appliedIndex;
  }

  get state() {
    const { machine } = this;
    return {
      appliedIndex: machine.appliedIndex,
      counts: machine.counts,
      view: (lock: string): LockView => machine.view(lock),
      revision: (lock: string): number => machine.revision(lock),
      semaphore: (name: string): SemaphoreView => machine.semaphore(name),
      page: (options: { prefix: string; after: string; limit: number }): LockView[] => machine.page(options),
      waitForGraph: (limit: number): WaitEdge[] => machine.waitForGraph(limit),
      sessions: (after: number, limit: number): SessionView[] => machine.sessions(after, limit),
    };
  }

  leadership(): Leadership {
    return this.status();
  }

  status(): NodeStatus {
    const { nodeStatus } = new ScriptedControlGroup();
    const indices = { lastIndex: this.index, commitIndex: this.index, appliedIndex: this.index };
    const control = { ...nodeStatus, ...indices, role: "leader" as const, leader: this.nodeId };
    return { ...control, groups: [control], leaseTimeMs: this.nowMs() };
  }

  private apply(kind: "command" | "time", payload: Uint8Array): void {
    const entry = { index: ++this.index, term: 1, kind, leaseTimeMs: this.nowMs(), payload };
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
    this.timer = setTimeout(() => this.apply("time", new Uint8Array(0)), Math.max(1, deadlineMs - this.nowMs()));
    this.timer.unref();
  }

  leaseTimeMs(): number {
    return this.nowMs();
  }

  private nowMs(): number {
    return Math.floor(performance.now() - this.startMs);
  }
}
