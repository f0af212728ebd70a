import type { ApplyJournal } from "../engine/apply-journal.ts";
import { createGroup } from "../engine/create-group.ts";
import { Engine } from "../engine/engine.ts";
import type { SnapshotNews } from "../engine/group-snapshots.ts";
import { SyncTimes } from "../engine/sync-times.ts";
import type { PeerEvents } from "../engine/ports.ts";
import { ApplyError, type GroupStop } from "../engine/group-stop.ts";
import { lockProtocol } from "../engine/lock-protocol.ts";
import { groupOf, readPeerMessages } from "../engine/peer-messages.ts";
import { queueProtocol } from "../engine/queue-protocol.ts";
import { firstShardConfiguration } from "../engine/shard-mirrors.ts";
import { FEATURE_LEVEL } from "../kernel/feature-level.ts";
import type { GroupId, ReplicaId } from "../raft/types.ts";
import type { Prng } from "../kernel/prng.ts";
import { HardStateCopy } from "../wal/hard-state-copy.ts";
import type { SegmentedLog } from "../wal/log.ts";
import { AmnesiaError, LogCorruptError } from "../wal/errors.ts";
import { SnapshotStore } from "../wal/snapshot-store.ts";
import { openLog } from "../wal/open-log.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { Volume } from "../wal/volume.ts";
import { judgeStop } from "./judge-stop.ts";
import { type MemoryVolume, NO_ROOM } from "./memory-volume.ts";
import { DurableSnapshots } from "./checks/snapshot-checks.ts";
import { MemoryJournal } from "./memory-journal.ts";
import type { TurnStart } from "./checks/appended-entries.ts";
import { type ObservedGroup, ObservedLog, ObservedMachine } from "./observed.ts";
import type { NodeOrigin } from "./node-origin.ts";
import type { Rot } from "./rot.ts";
import type { SimEvent } from "./scheduler.ts";
import type { SimGroup, SimProcess } from "./sim-process.ts";
import { SimMachines } from "./sim-machines.ts";
import { SimSnapshotMaker } from "./sim-snapshots.ts";
import { SimClock } from "./sim-clock.ts";
import { SimDisk } from "./sim-disk.ts";
import { timedVolume } from "./timed-volume.ts";
import { check, Violation } from "./violation.ts";
import { SIM_SHARD, type World } from "./world.ts";

/** Between two comparisons of states by the nodes themselves, in entries. */
const STATE_HASH_EVERY = 4;
const DISK_ERROR = "simulated error of the disk";
export interface SimNodeEvents {
  /** The process died. */
  crashed(node: SimNode): void;
  /** In the turn that is over it began to lead, or committed something as a leader. */
  elected(node: SimNode): void;
  committed(node: SimNode): void;
  /** It may have forgotten whom it voted for, and is to be replaced (PROTOCOLS D7). */
  refused(node: SimNode): void;
}

export type CrashKind = "process" | "power";

/** One replica on a machine of its own: its disk and its clock stay, processes come and go on it. */
export class SimNode {
  readonly name: string;
  /** It has left, or its disk is lost: no process will run there again. */
  gone = false;
  readonly clock: SimClock;
  process: SimProcess | undefined;
  paused = false;
  /** Rises with every crash: what an earlier process left behind finds out by it. */
  private life = 0;
  private alive = false;
  private disk: SimDisk;
  /** Its files were damaged, and it has not started since. */
  private rotten = false;
  /** Of its log and of its votes, so that it may be refused. */
  private mayForget = false;
  /** Another node has met it: durable from then on, as `peers.json` is. */
  hasMet = false;
  /** Its start was refused: it has lost its votes. */
  amnesiac = false;
  repairs = 0;
  /** Since the beginning, by all processes. */
  readonly crashes = { process: 0, power: 0 };
  readonly snapshots = { taken: 0, failed: 0, installed: 0, refused: 0 };
  private readonly journal = new MemoryJournal();
  private readonly machines: SimMachines;
  private turnRequested = false;
  private readonly backlog: SimEvent[] = [];
  private crashAtWrite: CrashKind | undefined;
  private diskFactor = 1;
  private diskFails = false;
  /** Before its process began. */
  private misreadsBefore = 0;
  private syncTimes = new SyncTimes();
  /** Of its program: a node that comes back has a new one, where the run has those. */
  private featureLevel = FEATURE_LEVEL;
  /** When it was asked or ended last. */
  private repairing = false;

  constructor(
    private readonly world: World,
    readonly id: ReplicaId,
    private readonly origin: NodeOrigin,
    private readonly events: SimNodeEvents,
  ) {
    const { profile, random, scheduler } = world;
    this.name = origin.facts.nodeId;
    this.clock = new SimClock(scheduler, 1 + profile.clockSkew * (2 * random.next() - 1), random.int(1_000_000));
    this.machines = new SimMachines(world, id, () => this.clock.monotonicMs());
    this.disk = this.newDisk();
    // Who comes later may have the newer program, where the run has those.
    if (scheduler.nowMs > 0 && random.chance(0.6)) this.upgrade();
  }

  /** It has all that it ever acknowledged, as far as anybody knows. */
  get isSound(): boolean {
    if (this.rotten) return false;
    if (this.process !== undefined) this.repairing = this.process.groups.some(({ host }) => host.raft.repairing);
    return !this.repairing;
  }

  get running(): boolean {
    return this.alive;
  }

  start(): void {
    if (this.alive || this.gone) return;
    const { world } = this;
    if (world.hooks.wipes === true && this.life > 0) {
      this.disk = this.newDisk();
      this.hasMet = false;
    }
    if (this.life > 0) this.upgrade();
    this.alive = true;
    this.turnRequested = false;
    this.misreadsBefore = this.misreads;
    const life = ++this.life;
    world.trace.add(world.scheduler.nowMs, this.id, "starts");
    const hooked = (volume: MemoryVolume): Volume => world.hooks.volume?.(volume) ?? volume;
    const store = new SnapshotStore(this.disk.snapshots);
    const options = {
      identity: () => world.identity(),
      segmentBytes: world.profile.segmentBytes,
      copy: HardStateCopy.open(hooked(this.disk.votes)),
      snapshots: store,
      hadLog: this.hasMet && world.hooks.forgetsMeeting !== true,
      repair: { groups: [...world.groupChecks.keys()] },
    };
    const syncTimes = (this.syncTimes = new SyncTimes());
    const volume = timedVolume(hooked(this.disk.log), syncTimes, () => world.scheduler.nowMs);
    openLog(volume, options, (error, log) => {
      if (life !== this.life) return;
      if (log !== undefined) this.opened(log, store, volume, life);
      else if (error instanceof AmnesiaError && this.mayForget) this.refused(error);
      else if (error?.message === DISK_ERROR || error === NO_ROOM) this.later(0, () => this.crash("process"));
      else throw new Violation("D4 a log opens after a crash", error?.message ?? "no log");
    });
  }

  /** While it is down. */
  rot(random: Prng): void {
    this.rotted(this.disk.rot(random));
  }

  /** While it is down: its log and its votes, so that nothing may say whom it voted for. */
  forget(random: Prng): void {
    this.rotted(this.disk.forget(random));
    this.mayForget = this.rotten;
  }

  private rotted(done: Rot | undefined): void {
    if (done === undefined) return;
    this.rotten = true;
    this.world.trace.add(this.world.scheduler.nowMs, this.id, "rots", done);
  }

  private refused({ damage }: AmnesiaError): void {
    this.amnesiac = true;
    this.world.trace.add(this.world.scheduler.nowMs, this.id, "is refused", damage);
    this.later(0, () => this.events.refused(this));
  }

  crash(kind: CrashKind): void {
    if (!this.alive) return;
    const { trace, scheduler, network, random, groupChecks } = this.world;
    trace.add(scheduler.nowMs, this.id, `crashes (${kind})`);
    this.crashes[kind]++;
    this.life++;
    this.alive = false;
    this.process?.engine.stop();
    // What it had got back and not made durable yet it lacks again.
    this.repairing = !this.isSound || [...groupChecks.values()].some(({ raft }) => raft.isUnderRepair(this.id));
    this.process = undefined;
    this.paused = false;
    this.backlog.length = 0;
    this.crashAtWrite = undefined;
    this.diskFails = false;
    network.detach(this.id);
    for (const { lease } of groupChecks.values()) lease.stopped(this.id);
    this.disk.crash(kind, () => random.next());
    this.events.crashed(this);
  }

  /** For ever: it was removed, or its disk is lost. */
  end(): void {
    this.gone = true;
    if (this.alive) this.crash("process");
    else this.events.crashed(this);
  }

  /** Crashes between the next write and its sync. */
  crashSoon(kind: CrashKind): void {
    this.crashAtWrite = kind;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    const waiting = this.backlog.splice(0);
    for (const event of waiting) this.world.scheduler.again(event);
  }

  /** A paused node gets nothing now, and all of it afterwards. */
  postpone(event: SimEvent): void {
    this.backlog.push(event);
  }

  /** Faults that wait to happen do not, and those that last end. */
  mend(): void {
    this.crashAtWrite = undefined;
    this.diskFactor = 1;
    this.setRoom(Number.POSITIVE_INFINITY);
    if (this.paused) this.resume();
    // An error that the disk has not made yet; who was to meet it is gone, so that none is in the middle of one.
    if (this.diskFails) this.crash("process");
    this.diskFails = false;
    this.disk.mend();
    this.start();
  }

  slowDisk(factor: number): void {
    this.diskFactor = factor;
  }

  /** What new files may take on this disk, in bytes. */
  setRoom(bytes: number): void {
    this.disk.setRoom(bytes);
  }

  misdirectRead(): void {
    if (this.process !== undefined) this.disk.misdirectRead();
  }

  /** Reads that came from elsewhere on the disk. */
  get misreads(): number {
    return this.disk.misreads;
  }

  failDisk(): void {
    this.diskFails = true;
    this.disk.failNextSync(this.world.random, new Error(DISK_ERROR));
  }

  /** Runs later in this process; never, if it dies before. */
  later(delayMs: number, work: () => void): void {
    const { life } = this;
    this.world.scheduler.after(delayMs, this.id, () => {
      if (life !== this.life) return;
      try {
        work();
      } catch (error) {
        this.died(error);
      }
    });
  }

  requestTurn(): void {
    if (this.turnRequested) return;
    this.turnRequested = true;
    this.later(this.world.random.next() * 0.1, () => this.turn());
  }

  private opened(log: SegmentedLog, store: SnapshotStore, volume: Volume, life: number): void {
    const { world, id } = this;
    const { repair } = log;
    if (repair !== undefined) {
      world.trace.add(world.scheduler.nowMs, id, "is repaired", repair);
      check(this.rotten, "D7 only damage is repaired", () => `${this.name}: ${repair.damage}`);
      this.repairs++;
    }
    const observed = new Map<GroupId, ObservedGroup>();
    for (const [group, checks] of world.groupChecks) {
      const snapshots = new DurableSnapshots(this.name, this.disk.snapshots, group);
      checks.raft.started(id, log.recovered.get(group), snapshots, this.rotten);
      observed.set(group, { checks: checks.raft, snapshots });
    }
    this.rotten = false;
    this.mayForget = false;
    this.run(log, store, volume, observed, life);
  }

  private run(
    opened: WriteAheadLog,
    store: SnapshotStore,
    volume: Volume,
    observed: ReadonlyMap<GroupId, ObservedGroup>,
    life: number,
  ): void {
    const { world, id } = this;
    const watched = new ObservedLog(id, opened, observed);
    const log = world.hooks.log?.(watched) ?? watched;
    const scheduler = { requestTurn: () => this.requestTurn() };
    const engine = new Engine(
      id,
      {
        ...{ clock: this.clock, network: world.network.port(id), scheduler, log, syncTimes: this.syncTimes },
        snapshots: { store, maker: this.newMaker(volume) },
        node: () => this.origin.facts,
        featureLevel: this.featureLevel,
      },
      {
        failed: () => this.later(0, () => this.crash("process")),
        leaderChanged: () => {},
        diskChanged: (state) => world.trace.add(world.scheduler.nowMs, id, `disk ${state}`),
        turnTooLong: () => {},
        repaired: (_group, index) => world.trace.add(world.scheduler.nowMs, id, `is whole again at ${index}`),
        groupStopped: (group, stop) => this.groupStopped(group, stop),
        snapshotNews: (_group, news) => this.snapshotNews(news),
        handingOver: (_group, term, to) =>
          world.trace.add(world.scheduler.nowMs, id, `hands over to node${to}`, { term }),
      },
    );
    this.process = this.host(engine, log);
    world.network.attach(id, {
      ...{ events: this.heardBy(engine), facts: this.origin.facts, isAlive: () => life === this.life },
      removed: () => this.removed(),
      met: () => (this.hasMet = true),
    });
    this.tick();
  }

  private host(engine: Engine, log: WriteAheadLog): SimProcess {
    const { world, id, name } = this;
    const { checks, shardChecks, random } = world;
    const { electionTimeoutMs, heartbeatIntervalMs, snapshotLimits } = world.profile;
    const { maxAppendBytes, maxInflightAppends, maxUncommittedBytes } = world.profile;
    const bounds = { maxLogCacheBytes: 500, maxAppendBytes, maxInflightAppends, maxUncommittedBytes };
    const timing = { electionTimeoutMs, heartbeatIntervalMs, stateHashEvery: STATE_HASH_EVERY };
    const common = { ...timing, bounds, journal: this.openJournal(), snapshotLimits };
    const source = { next: () => random.next(), identity: () => world.identity() };
    const { configuration } = this.origin;

    const { machine: program, locks } = this.machines.locks();
    const control = { group: 0, configuration, machine: new ObservedMachine(id, program, locks, checks.applied) };
    const host = createGroup({ ...common, ...control, protocol: lockProtocol(name) }, engine, log, source);
    engine.addGroup(host);
    const groups: SimGroup[] = [{ host, machine: locks, checks }];
    if (shardChecks === undefined) return { engine, host, locks, groups, shard: undefined };

    const { machine: queueProgram, queues } = this.machines.queues();
    const machine = new ObservedMachine(id, queueProgram, queues, shardChecks.applied);
    const member = { group: SIM_SHARD, configuration: firstShardConfiguration(configuration), machine };
    const shard = createGroup({ ...common, ...member, protocol: queueProtocol(name) }, engine, log, source);
    engine.addGroup(shard);
    groups.push({ host: shard, machine: queues, checks: shardChecks });
    return { engine, host, locks, groups, shard: { host: shard, queues } };
  }

  /** What arrives, with the checks looking on. */
  private heardBy(engine: Engine): PeerEvents {
    return {
      onFrame: (peer, frame) => {
        // A leader is heard by its own group alone (PROTOCOLS R3).
        const groups = new Set(readPeerMessages(frame)?.map(groupOf));
        for (const [group, { lonely }] of this.world.groupChecks) if (groups.has(group)) lonely.heard(this.id, peer);
        return engine.onFrame(peer, frame);
      },
      onConnected: (peer, node) => engine.onConnected(peer, node),
      onDisconnected: (peer) => engine.onDisconnected(peer),
    };
  }

  /** Others say so: its data is of no more use. */
  private removed(): void {
    this.world.trace.add(this.world.scheduler.nowMs, this.id, "is told that it was removed, and stops");
    this.world.checks.raft.members.leaves(this.id);
    this.world.shardChecks?.raft.members.isLeft(this.id);
    this.end();
  }

  /** The highest that its program knows. */
  get knownLevel(): number {
    return this.featureLevel;
  }

  private upgrade(): void {
    if (this.world.profile.upgrades) this.featureLevel = FEATURE_LEVEL + 1;
  }

  private tick(): void {
    for (const { checks, host } of this.process?.groups ?? []) checks.lonely.ticked(this.id, host.raft);
    this.process?.engine.tick();
    this.later(this.world.profile.tickMs * (0.8 + 0.4 * this.world.random.next()), () => this.tick());
  }

  private turn(): void {
    const { process, world, id } = this;
    this.turnRequested = false;
    if (process === undefined) return;
    const starts = process.groups.map(({ host: { raft } }): TurnStart => {
      const { lastIndex, commitIndex } = raft.log;
      return { role: raft.role, term: raft.term, lastIndex, commitIndex };
    });
    for (const { host, checks } of process.groups) checks.reserved.turnBegins(id, host.raft);
    try {
      process.engine.turn();
    } catch (error) {
      // Its last turn counts: what it said of lease time others have heard, or it finds in its log.
      for (const { host, checks } of process.groups) {
        checks.lease.observe(id, host.raft, this.clock, world.scheduler.nowMs);
      }
      this.died(error);
      return;
    }
    for (const [i, group] of process.groups.entries()) this.turned(group, starts[i] as TurnStart);
  }

  /** A turn is over: what the group did in it. */
  private turned({ host, checks }: SimGroup, start: TurnStart): void {
    const { world, id } = this;
    const { raft, group } = host;
    checks.appended.observe(raft, start);
    checks.raft.observe(id, raft);
    if (host.stopped?.reason === "outdated") checks.raft.members.behind(id);
    checks.lease.observe(id, raft, this.clock, world.scheduler.nowMs);
    if (raft.role === "leader") {
      if (start.role !== "leader") this.events.elected(this);
      if (raft.log.commitIndex > start.commitIndex) this.events.committed(this);
    }
    if (raft.role === start.role && raft.term === start.term) return;
    const what = `${raft.role} ${raft.term}`;
    world.trace.add(world.scheduler.nowMs, id, group === 0 ? what : `${what} of shard ${group}`);
  }

  private openJournal(): ApplyJournal {
    const { journal, world } = this;
    journal.open(world.upgraded ? "2" : "1");
    return world.hooks.journal?.(journal) ?? journal;
  }

  private died(error: unknown): void {
    const cause = error instanceof ApplyError ? error.cause : error;
    // A sound frame of another place must not pass for the one that was asked for: its node ends, and reads again.
    const isMisread = cause instanceof LogCorruptError && this.misreads > this.misreadsBefore;
    if (!isMisread && this.world.hooks.meansDeath?.(cause) !== true) throw cause;
    this.crash("process");
  }

  private groupStopped(group: GroupId, stop: GroupStop): void {
    const { world } = this;
    world.trace.add(world.scheduler.nowMs, this.id, `group ${group} stops`, stop);
    const upgradedWithinMs = judgeStop(this, group, stop, world);
    if (upgradedWithinMs > 0) this.later(upgradedWithinMs * world.random.next(), () => this.crash("process"));
  }

  private newMaker(volume: Volume): SimSnapshotMaker {
    const { random } = this.world;
    return new SimSnapshotMaker({
      ...{ files: this.disk.snapshots, volume, random },
      machine: (group) => this.machines.ofSnapshot(group),
      later: (delayMs, work) => this.later(delayMs, work),
    });
  }

  private snapshotNews(news: SnapshotNews): void {
    const { trace, scheduler } = this.world;
    this.snapshots[news.type]++;
    trace.add(scheduler.nowMs, this.id, `snapshot ${news.type}`, news);
  }

  private newDisk(): SimDisk {
    const { diskDelayed: delayed } = this.world.profile;
    return new SimDisk({ delayed, onPending: (pump) => this.diskIsBusy(pump) });
  }

  private diskIsBusy(pump: () => void): void {
    const { random, profile } = this.world;
    const { min, max } = profile.diskMs;
    const kind = this.crashAtWrite;
    this.crashAtWrite = undefined;
    if (kind !== undefined) this.later(0, () => this.crash(kind));
    const delayMs = (min + (max - min) * random.next()) * this.diskFactor;
    this.later(delayMs, pump);
  }
}
