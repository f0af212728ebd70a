/**
 * Raft cores on an in-memory network and in-memory disks, driven step by step: a test says what passes, what is lost,
 * what is on disk and whose time goes on, and reads like a script of the protocol.
 */
import { RaftLog } from "../../src/raft/log.ts";
import type { RaftOptions, SnapshotLimits } from "../../src/raft/options.ts";
import type { Effects } from "../../src/raft/outbox.ts";
import { type FlushMark, Raft } from "../../src/raft/raft.ts";
import {
  type EntryKind,
  type HardState,
  type Message,
  type ReplicaId,
  type Snapshot,
  UNKNOWN_INDEX,
} from "../../src/raft/types.ts";
import { LogDisk, SnapshotDisk } from "./raft-disk.ts";

export const HEARTBEAT_MS = 50;
export const ELECTION_MS = 300;
/** Within one heartbeat interval, so that no time is taken for a pause. */
const STEP_MS = 10;

export type ClusterOptions = Partial<
  Pick<RaftOptions, "maxUncommittedBytes" | "maxAppendBytes" | "maxInflightAppends"> & {
    maxCacheBytes: number;
    /** Replicas 1…this are the voters of the first configuration; else all are. */
    firstVoters: number;
  } & SnapshotLimits
>;
type OfType<Type extends Message["type"]> = Extract<Message, { type: Type }>;

interface Flush {
  readonly effects: Effects;
  readonly mark: FlushMark;
}

/** One replica with its disk. */
export class Replica {
  readonly disk = new LogDisk();
  readonly snapshots = new SnapshotDisk();
  raft: Raft;
  /** Payloads of the commands that were applied, in order. */
  applied: string[] = [];
  readonly readsReady: { id: number; index: number }[] = [];
  readonly readsFailed: number[] = [];
  /** Flushes stay on their way until {@link completeFlush}. */
  slowDisk = false;
  /** What it is to draw for its next election time-out, in [0, 1). */
  draw: number;
  readonly flushes: Flush[] = [];
  /** Its disk is full: it takes nothing but what opens a term. */
  fullDisk = false;
  /** Whether there is room for one more entry. */
  takes: (kind: EntryKind) => boolean = (kind) => kind === "noop" || !this.fullDisk;
  /** When it was told of time last. */
  tickedMs = 0;
  /** What is to be stored and put in force of snapshots stays on its way until {@link completeTask}. */
  slowSnapshots = false;
  readonly tasks: (() => void)[] = [];

  constructor(
    readonly id: ReplicaId,
    private readonly cluster: RaftCluster,
  ) {
    // Replica 1 is the first to time out, none within the minimum, unless a test says otherwise.
    this.draw = id / 10;
    this.raft = this.start();
  }

  /** The process dies and comes back with what is on its disk. */
  restart(): void {
    this.flushes.length = 0;
    this.tasks.length = 0;
    this.raft = this.start();
  }

  /** Writes entries behind the protocol's back, as an earlier history left them. */
  startWith(terms: readonly number[], hardState?: HardState): void {
    const payload = new Uint8Array(0);
    this.disk.entries = terms.map((term, i) => ({ index: i + 1, term, kind: "command", leaseTimeMs: 0, payload }));
    this.disk.hardState = hardState ?? { term: terms.at(-1) ?? 0, vote: 0 };
    this.restart();
  }

  /** Its log is damaged and void: what is left is where it ended, if that is known, and term and vote (PROTOCOLS D7). */
  loseLog(end: "known" | "unknown"): void {
    const { entries, compacted, hardState } = this.disk;
    const { index, term } = entries.at(-1) ?? compacted;
    const lost = end === "known" ? { index, term } : { index: UNKNOWN_INDEX, term: hardState.term };
    this.disk.hardState = { ...hardState, floor: hardState.floor ?? lost };
    this.disk.entries = [];
    this.disk.compacted = { index: 0, term: 0, leaseTimeMs: 0 };
    this.restart();
  }

  /** Takes the core's effects: what may leave at once leaves, the rest joins a flush. */
  pump(): void {
    const { raft } = this;
    const effects = raft.takeEffects(this.cluster.nowMs);
    for (const message of effects.immediate) this.cluster.send(message);
    for (const read of effects.readsReady) this.readsReady.push(read);
    for (const id of effects.readsFailed) this.readsFailed.push(id);
    this.handleSnapshots(effects);
    this.flushes.push({ effects, mark: raft.flushMark() });
    while (this.flushes.length > 0 && !(this.slowDisk && this.writesSomething)) this.completeFlush();
    this.apply();
    const before = this.tasks.length;
    while (!this.slowSnapshots && this.tasks.length > 0) this.completeTask();
    if (this.tasks.length < before) this.pump();
  }

  /** The oldest flush becomes durable: its messages leave. */
  completeFlush(): void {
    const flush = this.flushes.shift();
    if (flush === undefined) throw new Error(`replica ${this.id} has no flush under way`);
    this.disk.write(flush.effects);
    this.raft.persisted(flush.mark);
    for (const message of flush.effects.deferred) if (this.raft.stillHolds(message)) this.cluster.send(message);
    this.apply();
  }

  /** The oldest thing to be done about snapshots is done. */
  completeTask(): void {
    const task = this.tasks.shift();
    if (task === undefined) throw new Error(`replica ${this.id} has nothing to do about snapshots`);
    task();
  }

  /** Takes a snapshot of what is applied; it is durable at once, or when its task is completed. */
  takeSnapshot(compactableIndex = Infinity): void {
    const { log, snapshots } = this.raft;
    const entry = log.slice(log.appliedIndex, log.appliedIndex, 0)[0];
    if (entry === undefined) throw new Error("there is nothing to take a snapshot of");
    const state = [...this.applied];
    const configuration = log.configurations.at(entry.index);
    this.tasks.push(() => snapshots.taken(this.snapshots.make(entry, state, configuration), compactableIndex));
    if (!this.slowSnapshots) this.completeTask();
  }

  /** Of the entries that are not forgotten. */
  get terms(): number[] {
    const { log } = this.raft;
    const first = log.compacted.index + 1;
    return Array.from({ length: log.lastIndex - first + 1 }, (_, i) => log.term(first + i) ?? 0);
  }

  private handleSnapshots({ chunksToSend, chunksToStore, install }: Effects): void {
    const { raft, snapshots } = this;
    for (const { to, term, snapshot, offset, bytes } of chunksToSend) {
      const piece = snapshots.read(snapshot, offset, bytes);
      this.cluster.send({ type: "snapshotChunk", group: 0, from: this.id, to, term, snapshot, offset, bytes: piece });
    }
    for (const chunk of chunksToStore) {
      this.tasks.push(() => raft.snapshots.stored(chunk.snapshot, snapshots.store(chunk)));
    }
    if (install !== undefined) this.tasks.push(() => this.install(install));
    for (const index of snapshots.whole.keys()) if (!raft.snapshots.isNeeded(index)) snapshots.whole.delete(index);
  }

  private install(snapshot: Snapshot): void {
    const { raft, snapshots } = this;
    if (!snapshots.complete(snapshot)) {
      raft.snapshots.failed(snapshot);
      return;
    }
    this.tasks.unshift(() => {
      if (raft.snapshots.installed(snapshot)) this.applied = snapshots.state(snapshot.index);
    });
  }

  private get writesSomething(): boolean {
    const effects = this.flushes[0]?.effects;
    if (effects === undefined) return false;
    return (effects.hardState ?? effects.logStart ?? effects.truncateFrom ?? effects.entries[0]) !== undefined;
  }

  private apply(): void {
    const { log } = this.raft;
    const last = Math.min(log.commitIndex, log.durableIndex);
    while (log.appliedIndex < last) {
      for (const entry of log.slice(log.appliedIndex + 1, last, 1024)) {
        log.appliedIndex = entry.index;
        if (entry.kind === "command") this.applied.push(text(entry.payload));
      }
    }
    log.trimCache();
  }

  private start(): Raft {
    const { options, voters, nowMs } = this.cluster;
    const recovered = this.disk.recover();
    const raftOptions: RaftOptions = {
      group: 0,
      self: this.id,
      configuration: { voters: voters.slice(0, options.firstVoters), learners: [] },
      electionTimeoutMs: ELECTION_MS,
      heartbeatIntervalMs: HEARTBEAT_MS,
      random: () => this.draw,
      maxUncommittedBytes: options.maxUncommittedBytes ?? 1024 * 1024,
      maxAppendBytes: options.maxAppendBytes ?? 64 * 1024,
      maxInflightAppends: options.maxInflightAppends ?? 64,
      room: { take: (kind) => this.takes(kind) },
      snapshotLimits: {
        maxSnapshotChunkBytes: options.maxSnapshotChunkBytes ?? 16,
        maxSnapshotWindowBytes: options.maxSnapshotWindowBytes ?? 64,
        maxTrailingEntries: options.maxTrailingEntries ?? 0,
        maxHeldEntries: options.maxHeldEntries ?? 1_000_000,
      },
    };
    const snapshot = this.snapshots.newest()?.snapshot;
    this.tickedMs = nowMs;
    this.applied = snapshot === undefined ? [] : this.snapshots.state(snapshot.index);
    const log = new RaftLog(0, this.disk, recovered, options.maxCacheBytes ?? 1024 * 1024, snapshot);
    const raft = new Raft(raftOptions, log, this.disk.hardState, recovered?.leaseTimeMs ?? 0, nowMs);
    const { partial } = this.snapshots;
    if (partial !== undefined) raft.snapshots.resume(partial.snapshot, partial.bytes.length);
    return raft;
  }
}

export class RaftCluster {
  nowMs = 1_000;
  readonly voters: readonly ReplicaId[];
  /** Sent and neither delivered nor dropped, oldest first. */
  transit: Message[] = [];
  /** Everything that was ever sent. */
  readonly sent: Message[] = [];
  private readonly replicas: readonly Replica[];
  private readonly down = new Set<ReplicaId>();
  private readonly cuts = new Set<string>();
  private readonly filters: ((message: Message) => boolean)[] = [];

  constructor(
    size: number,
    readonly options: ClusterOptions = {},
  ) {
    this.voters = Array.from({ length: size }, (_, i) => i + 1);
    this.replicas = this.voters.map((id) => new Replica(id, this));
  }

  replica(id: ReplicaId): Replica {
    const replica = this.replicas[id - 1];
    if (replica === undefined) throw new Error(`there is no replica ${id}`);
    return replica;
  }

  raft(id: ReplicaId): Raft {
    return this.replica(id).raft;
  }

  send(message: Message): void {
    this.sent.push(message);
    const lost = this.cuts.has(`${message.from}→${message.to}`) || this.filters.some((drops) => drops(message));
    if (!lost && !this.down.has(message.from)) this.transit.push(message);
  }

  /** One way, from now on. */
  cut(from: ReplicaId, to: ReplicaId): void {
    this.cuts.add(`${from}→${to}`);
  }

  /** Both ways, from everybody. */
  isolate(id: ReplicaId): void {
    for (const other of this.voters) {
      this.cut(id, other);
      this.cut(other, id);
    }
  }

  /** Loses what it returns true for, from now on. */
  lose(drops: (message: Message) => boolean): void {
    this.filters.push(drops);
  }

  heal(): void {
    this.mend();
    this.filters.length = 0;
  }

  /** Of cuts alone. */
  mend(): void {
    this.cuts.clear();
  }

  crash(id: ReplicaId): void {
    this.down.add(id);
    this.transit = this.transit.filter((message) => message.to !== id);
  }

  restart(id: ReplicaId): void {
    this.down.delete(id);
    this.replica(id).restart();
  }

  /** What a message does, alone: its receiver's effects are taken at once. */
  deliver(message: Message): void {
    if (this.down.has(message.to)) return;
    this.raft(message.to).step(message);
    this.replica(message.to).pump();
  }

  /** Takes messages of a kind off the network, to be delivered later, twice, or never. */
  take<Type extends Message["type"]>(type: Type, to?: ReplicaId): OfType<Type>[] {
    const chosen = (message: Message): message is OfType<Type> =>
      message.type === type && (to === undefined || message.to === to);
    const taken = this.transit.filter(chosen);
    this.transit = this.transit.filter((message) => !chosen(message));
    return taken;
  }

  /** Delivers everything, and what that leads to, until nothing is on its way. */
  settle(): void {
    for (const id of this.up) this.replica(id).pump();
    for (let rounds = 0; this.transit.length > 0; rounds++) {
      if (rounds > 10_000) throw new Error("the replicas do not come to rest");
      const messages = this.transit;
      this.transit = [];
      for (const message of messages) if (!this.down.has(message.to)) this.raft(message.to).step(message);
      for (const id of this.up) this.replica(id).pump();
    }
  }

  /** Time goes on for some or all, in small steps; what is sent arrives within the step unless `quiet`. */
  pass(ms: number, options: { only?: readonly ReplicaId[]; quiet?: boolean } = {}): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += Math.min(STEP_MS, endMs - this.nowMs);
      for (const id of options.only ?? this.up) if (!this.down.has(id)) this.tick(id);
      if (options.quiet === true) for (const id of this.up) this.replica(id).pump();
      else this.settle();
    }
  }

  /** Time goes on for this replica alone until it asks for (pre-)votes, which stay on their way. */
  campaign(id: ReplicaId): void {
    for (let steps = 0; this.raft(id).role !== "candidate"; steps++) {
      if (steps > 100) throw new Error(`replica ${id} does not campaign`);
      this.pass(STEP_MS, { only: [id], quiet: true });
    }
  }

  /** Only this replica's time goes on until it leads; then everybody has heard of it. */
  elect(id: ReplicaId): void {
    for (let steps = 0; this.raft(id).role !== "leader"; steps++) {
      if (steps > 200) throw new Error(`replica ${id} is not elected`);
      this.pass(STEP_MS, { only: [id] });
    }
    this.settle();
  }

  /** Others forget that they heard a leader, without standing for election themselves: their time is just the minimum. */
  forgetLeader(...ids: readonly ReplicaId[]): void {
    const startMs = this.nowMs;
    for (const id of ids) {
      this.nowMs = startMs;
      for (let countedMs = 0; countedMs < ELECTION_MS; this.nowMs += STEP_MS) countedMs += this.tick(id);
    }
    this.nowMs = startMs + ELECTION_MS;
  }

  propose(id: ReplicaId, payload: string, reserved = false): string {
    return this.raft(id).propose("command", bytes(payload), reserved);
  }

  get leaders(): ReplicaId[] {
    return this.up.filter((id) => this.raft(id).role === "leader");
  }

  /** @returns how much of the time that passed for it the replica counts */
  private tick(id: ReplicaId): number {
    const replica = this.replica(id);
    const countedMs = Math.min(this.nowMs - replica.tickedMs, HEARTBEAT_MS);
    replica.tickedMs = this.nowMs;
    replica.raft.tick(this.nowMs);
    return countedMs;
  }

  private get up(): ReplicaId[] {
    return this.voters.filter((id) => !this.down.has(id));
  }
}

export function bytes(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

export function text(value: Uint8Array): string {
  return new TextDecoder().decode(value);
}
