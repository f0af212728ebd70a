import type { Prng } from "../kernel/prng.ts";
import type { SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

/** How long one lasts at most, in ms. */
const DUEL_MS = 3_000;
/** Between two looks at who leads, at most. */
const LOOK_MS = 8;

/**
 * Leaders in quick succession: whoever leads is cut off or killed before long, most of all one that has only begun. What it appended
 * stands on few disks; the next one knows nothing of it, or finishes it, or is gone, too (Raft §5.4.2, figure 8).
 */
export class Duel {
  private untilMs = 0;
  /** Of a leader that has committed something. */
  private lastTerm = 0;

  constructor(
    private readonly world: World,
    private readonly nodes: readonly SimNode[],
    private readonly random: Prng,
    /** How often a leader falls at its first steps, also between duels. */
    private readonly earlyFalls: number,
    private readonly isOver: () => boolean,
  ) {}

  begin(): void {
    this.untilMs = this.world.scheduler.nowMs + DUEL_MS * this.random.next();
    this.lookLater();
  }

  /** It may fall at once: its disk has the entry that opens its term, and nobody else. */
  elected(leader: SimNode): void {
    this.fall(leader, this.isLasting ? 0.4 : this.earlyFalls);
  }

  /** It may fall at the moment at which it has committed something, for the first time above all, and nobody else knows. */
  committed(leader: SimNode): void {
    const term = leader.process?.host.raft.term ?? 0;
    const isFirst = term > this.lastTerm;
    this.lastTerm = Math.max(this.lastTerm, term);
    this.fall(leader, this.isLasting ? 0.5 : isFirst ? this.earlyFalls : 0);
  }

  private fall(leader: SimNode, chance: number): void {
    if (!this.isOver() && this.random.chance(chance)) leader.later(0, () => leader.crash("process"));
  }

  private get isLasting(): boolean {
    return this.world.scheduler.nowMs < this.untilMs && !this.isOver();
  }

  private lookLater(): void {
    this.world.scheduler.after(LOOK_MS * this.random.next(), 0, () => {
      if (!this.isLasting) return;
      const leaders = this.nodes.filter(({ process }) => process?.host.raft.role === "leader");
      if (leaders.length > 0) this.strike(this.random.pick(leaders));
      this.lookLater();
    });
  }

  private strike(leader: SimNode): void {
    const { random } = this;
    // Soon one of its followers knows less than the others, and may be the next.
    if (random.chance(0.05)) this.cut(leader, [random.pick(this.nodes)], [], 300 * random.next());
    const log = leader.process?.host.raft.log;
    if (log === undefined || log.commitIndex === log.lastIndex || random.chance(0.85)) return;
    if (random.chance(0.6)) leader.crash("process");
    else this.cut(leader, this.nodes, this.nodes, 500 * random.next());
  }

  /** @param deaf hear nothing of the leader. @param mute nothing of these the leader hears */
  private cut(leader: SimNode, deaf: readonly SimNode[], mute: readonly SimNode[], forMs: number): void {
    const { network, scheduler, trace } = this.world;
    trace.add(scheduler.nowMs, leader.id, "is cut off", { from: deaf.map(({ id }) => id), bothWays: mute.length > 0 });
    const blocks = deaf.map(({ id }) => network.block(leader.id, id));
    for (const { id } of mute) blocks.push(network.block(id, leader.id));
    scheduler.after(forMs, 0, () => {
      for (const unblock of blocks) unblock();
    });
  }
}
