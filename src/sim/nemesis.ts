import { MEMBERSHIP_LEVEL } from "../kernel/feature-level.ts";
import type { Prng } from "../kernel/prng.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { Administrator } from "./administrator.ts";
import { Duel } from "./duel.ts";
import { type FaultKind, faultKinds, membershipFaults } from "./profile.ts";
import type { CrashKind, SimNode } from "./sim-node.ts";
import type { World } from "./world.ts";

/** How often a leader falls at its first steps, in runs with duels. */
const EARLY_FALLS = 0.2;
/** Beside whom nobody joins any more. */
const MAX_NODES = 7;

/** Breaks things at random, and mends them after a while. Stops when told to. */
export class Nemesis {
  readonly counts: Record<FaultKind, number>;
  /** Transfers after which another node led. */
  handovers = 0;
  private stopped = false;
  readonly duel: Duel;

  constructor(
    private readonly world: World,
    private readonly nodes: readonly SimNode[],
    private readonly administrator: Administrator,
    private readonly random: Prng,
  ) {
    this.duel = new Duel(
      world,
      nodes,
      random,
      Number.isFinite(world.profile.everyMs.duel) ? EARLY_FALLS : 0,
      () => this.stopped,
    );
    this.counts = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
    for (const kind of faultKinds) {
      // Where every node stops at one entry, nobody lets anybody in.
      if (world.hooks.poisonIndex === undefined || !membershipFaults.includes(kind)) this.plan(kind);
    }
  }

  /** No more faults, and the end of those that last. */
  heal(): void {
    this.stopped = true;
    this.world.network.isBad = false;
    this.world.network.heal();
    for (const node of this.nodes) node.mend();
  }

  /** A crash, also by an error of the disk: the node comes back, soon or late. */
  restartLater(node: SimNode): void {
    const delayMs = this.random.chance(0.2) ? 2000 * this.random.next() : 200 * this.random.next();
    this.after(delayMs, () => node.start(), true);
  }

  private plan(kind: FaultKind): void {
    const meanMs = this.world.profile.everyMs[kind];
    if (!Number.isFinite(meanMs)) return;
    this.after(-Math.log(1 - this.random.next()) * meanMs, () => {
      this.counts[kind]++;
      this.strike(kind);
      this.plan(kind);
    });
  }

  private after(delayMs: number, work: () => void, always = false): void {
    this.world.scheduler.after(delayMs, 0, () => {
      if (always || !this.stopped) work();
    });
  }

  private strike(kind: FaultKind): void {
    const leader = this.nodes.find(({ process }) => process?.host.raft.established === true);
    // Most of what can go wrong does when a leader goes.
    const node = leader !== undefined && this.random.chance(0.4) ? leader : this.random.pick(this.nodes);
    const { network } = this.world;
    switch (kind) {
      case "crash":
        this.crash(node);
        return;
      case "rackPower":
        this.note(0, "power cut of the whole rack");
        for (const each of this.nodes) each.crash("power");
        return;
      case "pause":
        this.pause(node);
        return;
      case "partition":
        this.partition(node);
        return;
      case "disconnect":
        network.disconnect(node.id, this.random.pick(this.nodes).id);
        return;
      case "clog":
        this.after(
          1000 * this.random.next(),
          network.clog(node.id, this.random.pick(this.nodes).id, 400 * this.random.next()),
        );
        return;
      case "clockJump":
        this.note(node.id, "clock jumps");
        node.clock.jump(5000 * this.random.next(), 100_000 * (this.random.next() - 0.5));
        return;
      case "diskStall":
        node.slowDisk(5 + 50 * this.random.next());
        // Most are hiccups; some disks are slow for so long that their leader had better not lead.
        this.after((this.random.chance(0.2) ? 8_000 : 500) * this.random.next(), () => node.slowDisk(1));
        return;
      case "diskError":
        node.failDisk();
        return;
      case "misread":
        node.misdirectRead();
        return;
      case "diskFull":
        this.fillDisks(node);
        return;
      case "transfer":
        this.transfer();
        return;
      case "rot":
        this.rot(node);
        return;
      case "duel":
        this.duel.begin();
        return;
      case "join":
        if (this.nodes.length < MAX_NODES) this.administrator.join();
        return;
      case "leave":
        if (this.nodes.length > 1) this.administrator.leave(node);
        return;
      case "replace":
        this.replace(node);
        return;
    }
  }

  private crash(node: SimNode): void {
    const kind: CrashKind = this.random.chance(this.world.profile.powerShare) ? "power" : "process";
    if (this.random.chance(0.5)) node.crashSoon(kind);
    else node.crash(kind);
  }

  /** Any node may be asked, a leader most of all; and to hand over to anybody, who may be down, cut off or behind. */
  private transfer(): void {
    const leading = this.nodes.filter(({ process }) => process?.host.raft.role === "leader");
    const asked =
      leading.length > 0 && this.random.chance(0.8) ? this.random.pick(leading) : this.random.pick(this.nodes);
    const to = this.random.chance(0.3) ? 0 : this.random.pick(this.nodes).id;
    if (asked.process === undefined || asked.paused) return;
    const { host, engine } = asked.process;
    this.note(asked.id, "is asked for a transfer", { to });
    host.transferLeadership(to, engine.nowMs(), (end) => {
      if (end === "transferred") this.handovers++;
      this.note(asked.id, `transfer: ${end}`);
    });
    engine.wake();
  }

  /** One disk, or those of all nodes: they share a volume, or were bought together. */
  private fillDisks(node: SimNode): void {
    const full = this.random.chance(0.5) ? this.nodes : [node];
    this.note(0, "no room on the disk", { nodes: full.map(({ id }) => id) });
    const { segmentBytes } = this.world.profile;
    for (const each of full) each.setRoom(this.random.pick([0, segmentBytes]));
    const longMs = this.random.chance(0.5) ? 4000 : 1000;
    this.after(longMs * this.random.next(), () => {
      this.note(0, "room again", { nodes: full.map(({ id }) => id) });
      for (const each of full) each.setRoom(Number.POSITIVE_INFINITY);
    });
  }

  /** The disk of a node that is down. Of a minority at a time: what a majority has lost nobody can bring back. */
  private rot(node: SimNode): void {
    const voters = this.fewestVoters();
    const damaged = this.nodes.filter((each) => each !== node && !each.isSound).length;
    // While somebody leaves, those who remain are not known yet: a leader that was paused may not have heard of the damage.
    if (!node.isSound || damaged >= Math.floor((voters.length - 1) / 2) || this.administrator.pending > 0) return;
    this.crash(node);
    node.crash("process");
    node.rot(this.random);
  }

  /** Loses a disk for ever, or what it must not forget: one at a time, and where the others are a majority of those who count. */
  private replace(node: SimNode): void {
    const voters = this.fewestVoters();
    const isCalm = this.administrator.pending === 0 && this.nodes.every(({ isSound }) => isSound);
    // Before, nobody can leave (PROTOCOLS R7), and who is lost never says what its program knows.
    const isAble = this.nodes.some(({ process }) => (process?.locks.featureLevel ?? 0) >= MEMBERSHIP_LEVEL);
    if (!isCalm || !isAble || voters.length <= 2 || !voters.includes(node.id)) return;
    // A node without its votes is of no more use than one without its disk: its next start finds that out.
    if (node.hasMet && this.random.chance(0.5)) {
      node.crash("power");
      node.forget(this.random);
    } else this.administrator.replace(node);
  }

  /** Of the group that has the fewest: what it loses counts most. */
  private fewestVoters(): readonly ReplicaId[] {
    const { checks, shardChecks } = this.world;
    const { voters } = checks.raft.members.committed;
    const ofShard = shardChecks?.raft.members.committed.voters ?? voters;
    return ofShard.length < voters.length ? ofShard : voters;
  }

  private pause(node: SimNode): void {
    if (node.paused || !node.running) return;
    this.note(node.id, "is paused");
    node.pause();
    const longMs = this.random.chance(0.3) ? 2000 : 300;
    this.after(longMs * this.random.next(), () => {
      if (!node.paused) return;
      this.note(node.id, "goes on");
      node.resume();
    });
  }

  /** One node or a random half is cut off, both ways or one; or a single link is. */
  private partition(node: SimNode): void {
    const { network } = this.world;
    const shape = this.random.pick(["isolate", "halves", "link"]);
    const oneWay = this.random.chance(0.4);
    const cut = new Set<number>();
    if (shape === "halves") for (const { id } of this.nodes) if (this.random.chance(0.5)) cut.add(id);
    if (shape === "isolate") cut.add(node.id);
    const from = this.random.chance(0.5) ? node.id : this.random.pick(this.nodes).id;
    const to = this.random.pick(this.nodes).id;
    this.note(0, "partition", { shape, oneWay, cut: [...cut], from, to });
    const blocks: (() => void)[] = [];
    for (const a of this.nodes) {
      for (const b of this.nodes) {
        if (a === b) continue;
        const crosses = shape === "link" ? a.id === from && b.id === to : cut.has(a.id) && !cut.has(b.id);
        const back = shape !== "link" && !oneWay && !cut.has(a.id) && cut.has(b.id);
        if (crosses || back) blocks.push(network.block(a.id, b.id));
      }
    }
    this.after(this.world.profile.partitionMs * this.random.next(), () => {
      this.note(0, "partition heals");
      for (const unblock of blocks) unblock();
    });
  }

  private note(node: number, what: string, detail?: unknown): void {
    this.world.trace.add(this.world.scheduler.nowMs, node, what, detail);
  }
}
