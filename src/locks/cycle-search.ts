import type { Claimant } from "./claimants.ts";
import { conflicts, type Lock, type Place } from "./records.ts";
import type { PermitHold, PermitWaiter, Semaphore } from "./semaphores.ts";
import type { Hold } from "./records.ts";
import type { LockMode, ShownMode, WaitEdge } from "./types.ts";

/** A place in a queue, or the one behind the last that a request would take. */
export type Turn = LockTurn | PermitTurn;

interface LockTurn {
  readonly claimant: Claimant;
  readonly lock: Lock;
  readonly mode: LockMode;
  /** Places with a smaller serial are ahead. */
  readonly serial: number;
}

interface PermitTurn {
  readonly claimant: Claimant;
  readonly semaphore: Semaphore;
  readonly mode: "semaphore";
  readonly permits: number;
  readonly serial: number;
}

export type Queued = Place | PermitWaiter;

/** How far a search has looked at a lock. */
interface Progress {
  /** The first place that was not yet looked at for an exclusive place, or for a shared one. */
  all: Queued | undefined;
  exclusive: Queued | undefined;
  holders: boolean;
}

/**
 * Breadth first over claimants, from one of them: for each place every incompatible holder and every incompatible earlier
 * place, and of a semaphore all of both. Each queue is walked once for exclusive and once for shared places at most, and once
 * for each place of the start.
 */
export class CycleSearch {
  private readonly reachedFrom = new Map<Claimant, Turn>();
  private readonly progress = new Map<Lock | Semaphore, Progress>();
  private readonly frontier: Claimant[] = [];
  /** A place whose blocker is the start. */
  private closing: Turn | undefined = undefined;

  /** @param among goes through these alone */
  constructor(
    private readonly start: Claimant,
    private readonly among?: ReadonlySet<Claimant>,
  ) {}

  /**
   * @param turns the start's own
   * @returns a shortest cycle, from the start and back to it
   */
  from(turns: Iterable<Turn>): WaitEdge[] | undefined {
    this.visitAll(turns);
    for (let next = 0; next < this.frontier.length && this.closing === undefined; next++) {
      this.visitAll(this.frontier[next]?.turns() ?? []);
    }
    return this.closing === undefined ? undefined : this.path(this.closing);
  }

  private visitAll(turns: Iterable<Turn>): void {
    for (const turn of turns) {
      this.visitBlockers(turn);
      if (this.closing !== undefined) return;
    }
  }

  private visitBlockers(turn: Turn): void {
    const { mode } = turn;
    const resource = resourceOf(turn);
    let progress = this.progress.get(resource);
    if (progress === undefined) {
      progress = { all: resource.queue.first, exclusive: resource.queue.first, holders: false };
      this.progress.set(resource, progress);
    }
    this.visitHolders(turn, progress);
    // What was looked at for a place further back is visited already.
    let place = mode === "shared" ? later(progress.all, progress.exclusive) : progress.all;
    for (; place !== undefined && place.serial < turn.serial; place = place.next) {
      if (mode !== "shared" || place.mode === "exclusive") this.visit(place.claimant, turn);
    }
    // A place of the start passes over its own ahead of it; who stands between the two waits for that one.
    if (turn.claimant === this.start) return;
    if (mode === "shared") progress.exclusive = later(progress.exclusive, place);
    else progress.all = later(progress.all, place);
  }

  private visitHolders(turn: Turn, progress: Progress): void {
    const resource = resourceOf(turn);
    if (resource.mode === undefined || !conflicts(turn.mode, resource.mode) || progress.holders) return;
    // A place of the start passes over its own hold; who stands ahead of it waits for that one.
    progress.holders = turn.claimant !== this.start;
    let hold: Hold | PermitHold | undefined = resource.holders.first;
    for (; hold !== undefined; hold = hold.next) this.visit(hold.holder, turn);
  }

  private visit(blocker: Claimant, turn: Turn): void {
    if (blocker === this.start) {
      // Being behind oneself is no wait.
      if (turn.claimant !== this.start) this.closing ??= turn;
      return;
    }
    if (this.reachedFrom.has(blocker) || this.among?.has(blocker) === false) return;
    this.reachedFrom.set(blocker, turn);
    this.frontier.push(blocker);
  }

  private path(closing: Turn): WaitEdge[] {
    const edges: WaitEdge[] = [];
    let blockedBy = this.start;
    for (let turn: Turn | undefined = closing; turn !== undefined; turn = this.reachedFrom.get(blockedBy)) {
      edges.push(edge(turn, blockedBy));
      if (turn.claimant === this.start) break;
      blockedBy = turn.claimant;
    }
    return edges.reverse();
  }
}

/** The one further back; undefined is the end of the queue. */
function later(a: Queued | undefined, b: Queued | undefined): Queued | undefined {
  if (a === undefined || b === undefined) return undefined;
  return a.serial > b.serial ? a : b;
}

export function resourceOf(turn: Turn): Lock | Semaphore {
  return turn.mode === "semaphore" ? turn.semaphore : turn.lock;
}

export function edge(turn: Turn, blockedBy: Claimant): WaitEdge {
  const { claimant, mode }: { claimant: Claimant; mode: ShownMode } = turn;
  return { owner: claimant.publicName, lock: resourceOf(turn).name, mode, blockedBy: blockedBy.publicName };
}
