import { LEADER_WAIT_MS } from "./ingress.ts";

/** Called once: with the index that the local state now covers, or with undefined when no leader answered in time. */
export type BarrierDone = (index: number | undefined) => void;

interface Barrier {
  readonly done: BarrierDone;
  readonly createdAtMs: number;
}

interface Request {
  readonly barriers: readonly Barrier[];
  readonly sentAtMs: number;
}

/** A request without an answer is given up and its reads ask again. */
const RETRY_MS = 500;
/** After a node said that it does not lead, nobody is asked for so long, unless the leader changes. */
const REFUSED_PAUSE_MS = 50;

/**
 * Linearizable reads on any node (thesis §6.4): all reads of a turn share one question to the leader, and each is
 * answered when this node has applied the index that the leader names.
 */
export class ReadBarriers {
  private fresh: Barrier[] = [];
  /** Asked and not answered, by request id. */
  private readonly asked = new Map<number, Request>();
  /** Answered, waiting for the local state to get there; ascending by index within a leadership, not beyond. */
  private reached: { readonly index: number; readonly barriers: readonly Barrier[] }[] = [];
  private nextId: number;
  private pausedUntilMs = 0;

  /**
   * @param seed of this process alone: an answer to a question of its predecessor, late, must not answer one of ours
   */
  constructor(seed: number) {
    this.nextId = Math.floor(seed / 2) + 1;
  }

  add(nowMs: number, done: BarrierDone): void {
    this.fresh.push({ done, createdAtMs: nowMs });
  }

  /** @param ask puts one question to the leader; false when there is nobody to ask now */
  pump(nowMs: number, ask: (id: number) => boolean): void {
    if (this.fresh.length === 0 || nowMs < this.pausedUntilMs) return;
    const id = this.nextId++;
    this.asked.set(id, { barriers: this.fresh, sentAtMs: nowMs });
    this.fresh = [];
    if (!ask(id)) this.askAgain(id);
  }

  answered(id: number, index: number): void {
    const request = this.asked.get(id);
    if (request === undefined) return;
    this.asked.delete(id);
    this.reached.push({ index, barriers: request.barriers });
  }

  /** The node asked is not the leader, or is no longer. */
  refused(id: number, nowMs: number): void {
    if (!this.asked.has(id)) return;
    this.askAgain(id);
    this.pausedUntilMs = nowMs + REFUSED_PAUSE_MS;
  }

  leaderChanged(): void {
    this.pausedUntilMs = 0;
    for (const id of [...this.asked.keys()]) this.askAgain(id);
  }

  applied(appliedIndex: number): void {
    if (this.reached.length === 0) return;
    const waiting = this.reached;
    this.reached = [];
    for (const entry of waiting) {
      if (entry.index > appliedIndex) this.reached.push(entry);
      else for (const barrier of entry.barriers) barrier.done(appliedIndex);
    }
  }

  sweep(nowMs: number): void {
    for (const [id, request] of this.asked) if (nowMs - request.sentAtMs >= RETRY_MS) this.askAgain(id);
    this.fresh = unexpired(this.fresh, nowMs);
    this.reached = this.reached.map((entry) => ({ ...entry, barriers: unexpired(entry.barriers, nowMs) }));
  }

  /** This node's state will cover nothing new any more. */
  giveUp(): void {
    const waiting = [this.fresh, ...[...this.asked.values(), ...this.reached].map(({ barriers }) => barriers)].flat();
    this.fresh = [];
    this.reached = [];
    this.asked.clear();
    for (const barrier of waiting) barrier.done(undefined);
  }

  private askAgain(id: number): void {
    const request = this.asked.get(id);
    if (request === undefined) return;
    this.asked.delete(id);
    for (const barrier of request.barriers) this.fresh.push(barrier);
  }
}

function unexpired(barriers: readonly Barrier[], nowMs: number): Barrier[] {
  const kept: Barrier[] = [];
  for (const barrier of barriers) {
    if (nowMs - barrier.createdAtMs < LEADER_WAIT_MS) kept.push(barrier);
    else barrier.done(undefined);
  }
  return kept;
}
