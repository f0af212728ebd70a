import { ByteWriter } from "../kernel/bytes.ts";
import { FEATURE_LEVEL } from "../kernel/feature-level.ts";
import { limits } from "../kernel/limits.ts";
import { roleIn } from "../raft/configuration.ts";
import { NO_EFFECTS } from "../raft/outbox.ts";
import type { FlushMark } from "../raft/raft.ts";
import type { GroupId, Message, NodeFacts, ReplicaId } from "../raft/types.ts";
import type { LogRecord, WriteAheadLog } from "../wal/records.ts";
import type { DiskState } from "./disk-report.ts";
import { DiskWatch } from "./disk-watch.ts";
import { FeatureLevels } from "./feature-levels.ts";
import { ChunkQueue } from "./chunk-queue.ts";
import type { GroupHost } from "./group-host.ts";
import type { GroupServices } from "./group-services.ts";
import type { SnapshotNews, SnapshotPorts } from "./group-snapshots.ts";
import type { GroupStop } from "./group-stop.ts";
import { type PeerMessage, readPeerMessages, writePeerMessage } from "./peer-messages.ts";
import type { Members } from "./members.ts";
import type { Clock, PeerEvents, PeerNetwork, TurnScheduler } from "./ports.ts";
import { EngineStatistics } from "./statistics.ts";
import { ShardMirrors } from "./shard-mirrors.ts";
import type { ShardWish } from "./shard-wishes.ts";
import type { SyncTimes } from "./sync-times.ts";
import { type LongTurn, TurnWatch } from "./turn-watch.ts";

export interface EnginePorts {
  readonly clock: Clock;
  readonly network: PeerNetwork;
  readonly scheduler: TurnScheduler;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotPorts;
  /** Told by the host how long each sync of the log took. */
  readonly syncTimes: SyncTimes;
  /** What this node says of itself; absent: nothing that the others should write down. */
  readonly node?: () => NodeFacts;
  /** Absent: that of this program. The simulator runs two versions. */
  readonly featureLevel?: number;
}

/** What the engine tells the node around it. */
export interface EngineEvents {
  /** The node must stop: the first error of the disk (PROTOCOLS D9). Called once. */
  failed(error: Error): void;
  leaderChanged(group: GroupId, term: number, leader: ReplicaId): void;
  /** This node leads and begins to hand leadership over. */
  handingOver(group: GroupId, term: number, to: ReplicaId): void;
  /** The disk of this node is full, or has room again. `refusal`: what it says. */
  diskChanged(state: DiskState, refusal: Error | undefined): void;
  /** A turn was over its budget (PROTOCOLS D10). */
  turnTooLong(turn: LongTurn): void;
  /** The group had lost entries on this node, and has again all that it acknowledged (PROTOCOLS D7). */
  repaired(group: GroupId, lastIndex: number): void;
  /** The group applies and serves nothing any more on this node, which stays up (PROTOCOLS R7, R8). Once a group. */
  groupStopped(group: GroupId, stop: GroupStop): void;
  snapshotNews(group: GroupId, news: SnapshotNews): void;
}

/** Any group: the engine never looks into commands and results. */
// oxlint-disable-next-line typescript/no-explicit-any -- existential type: Command and Result differ by group
type AnyGroup = GroupHost<any, any>;

interface Flush {
  readonly records: LogRecord[];
  readonly marks: { readonly group: AnyGroup; readonly mark: FlushMark }[];
  readonly deferred: Message[];
}

const CONTROL_GROUP = 0;
/** A frame is sent early once it holds this much. */
const FRAME_BYTES = 1024 * 1024;

/**
 * The background consensus loop of one node, over all its groups. A turn: what came in is stepped, what clients asked is
 * proposed, then the effects are carried out in the one order that is safe (PROTOCOLS D1–D3). The host calls
 * {@link turn} when it was requested and {@link tick} every few ms; the engine has no clock, socket or disk of its own.
 */
export class Engine implements PeerEvents, GroupServices {
  readonly statistics = new EngineStatistics();
  readonly disk: DiskWatch;
  readonly features: FeatureLevels;
  readonly turns: TurnWatch;
  private readonly groups = new Map<GroupId, AnyGroup>();
  private inbox: { readonly peer: ReplicaId; readonly message: PeerMessage }[] = [];
  private readonly frames = new Map<ReplicaId, ByteWriter>();
  private readonly chunks = new ChunkQueue();
  private readonly mirrors = new ShardMirrors(this);
  private waiting: Flush = emptyFlush();
  private flushing: Flush | undefined;
  private durable: Flush[] = [];
  /** Peers that have just connected, and know nothing of this node's disk. */
  private readonly greetings = new Set<ReplicaId>();
  /** What the peers that are connected say of themselves. */
  private readonly announcements = new Map<ReplicaId, NodeFacts>();
  private members: Members | undefined;
  /** As `members` say it, over all groups. */
  private onlyVoter: ReplicaId | undefined;
  private diskState: DiskState = "ok";
  private disksChanged = false;
  private tickDue = false;
  private flushesAtTick = 0;
  private stopped = false;
  private inTurn = false;

  constructor(
    readonly self: ReplicaId,
    private readonly ports: EnginePorts,
    private readonly events: EngineEvents,
  ) {
    this.disk = new DiskWatch(self, ports.log.room, ports.syncTimes);
    this.features = new FeatureLevels(ports.featureLevel ?? FEATURE_LEVEL);
    this.turns = new TurnWatch(() => this.nowMs());
    ports.snapshots.store.stored = (group, error, snapshot, bytes) => {
      this.groups.get(group)?.snapshotStored(error, snapshot, bytes);
    };
  }

  get log(): WriteAheadLog {
    return this.ports.log;
  }

  get snapshots(): SnapshotPorts {
    return this.ports.snapshots;
  }

  addGroup(group: AnyGroup): void {
    this.groups.set(group.group, group);
    this.followMembers();
  }

  group(group: GroupId): AnyGroup | undefined {
    return this.groups.get(group);
  }

  nowMs(): number {
    return this.ports.clock.monotonicMs();
  }

  announced(replica: ReplicaId): NodeFacts | undefined {
    return replica === this.self ? this.ports.node?.() : this.announcements.get(replica);
  }

  isConnected(peer: ReplicaId): boolean {
    return this.ports.network.isConnected(peer);
  }

  leaderChanged(group: GroupId, term: number, leader: ReplicaId): void {
    this.events.leaderChanged(group, term, leader);
  }

  handingOver(group: GroupId, term: number, to: ReplicaId): void {
    this.events.handingOver(group, term, to);
  }

  groupStopped(group: GroupId, stop: GroupStop): void {
    this.events.groupStopped(group, stop);
  }

  snapshotNews(group: GroupId, news: SnapshotNews): void {
    this.events.snapshotNews(group, news);
  }

  fail(error: Error): void {
    if (this.stopped) return;
    this.stopped = true;
    this.events.failed(error);
  }

  send(peer: ReplicaId, message: PeerMessage): void {
    const writer = this.frames.get(peer);
    if (writer === undefined) return;
    writePeerMessage(writer, message);
    if (writer.length >= FRAME_BYTES) this.sendFrame(peer, writer);
  }

  onFrame(peer: ReplicaId, frame: Uint8Array): boolean {
    // Entries keep views on the frame, and the network takes its bytes back after this call.
    const messages = readPeerMessages(frame.slice());
    if (messages === undefined) return false;
    for (const message of messages) {
      if (message.type === "raft" && message.message.from !== peer) return false;
      this.inbox.push({ peer, message });
    }
    this.ports.scheduler.requestTurn();
    return true;
  }

  onConnected(peer: ReplicaId, node: NodeFacts): void {
    this.announcements.set(peer, node);
    // Perhaps one that no configuration here knows yet: who leads by a newer one is to be answered.
    this.frameFor(peer);
    this.greetings.add(peer);
    for (const group of this.groups.values()) group.peerConnected(peer);
    this.ports.scheduler.requestTurn();
  }

  onDisconnected(peer: ReplicaId): void {
    this.announcements.delete(peer);
    this.chunks.forget(peer);
    this.disk.forget(peer);
    this.features.forget(peer);
    if (this.members?.replicas.has(peer) === false) this.frames.delete(peer);
    for (const group of this.groups.values()) group.peerDisconnected(peer);
    this.ports.scheduler.requestTurn();
  }

  /** Something was submitted: a turn is wanted. */
  wake(): void {
    this.ports.scheduler.requestTurn();
  }

  tick(): void {
    this.tickDue = true;
    this.ports.scheduler.requestTurn();
  }

  stop(): void {
    this.stopped = true;
  }

  turn(): void {
    if (this.stopped) return;
    const { turns, statistics } = this;
    const { flushedEntries, appliedEntries } = statistics;
    const startMs = this.nowMs();
    turns.begin(startMs);
    this.inTurn = true;
    for (const group of this.groups.values()) group.raft.beginTurn(startMs);
    this.finishFlushes();
    const messages = this.stepInbox(startMs);
    turns.lap("inbox");
    if (this.tickDue) this.tickLog(startMs);
    const beats = this.tickDue && this.isBeatDue(startMs);
    for (const group of this.groups.values()) {
      if (this.disksChanged || this.tickDue) group.mindDisks(startMs);
      if (this.tickDue) group.tick(startMs, beats);
      group.pump(startMs);
    }
    if (this.tickDue) this.mirrorShards(startMs);
    this.tickDue = false;
    this.disksChanged = false;
    this.reportDisk(startMs);
    this.collectEffects(startMs);
    turns.lap("pump");
    this.sendFrames();
    turns.lap("send");
    this.startFlush();
    this.finishFlushes();
    turns.lap("flush");
    this.apply();
    turns.lap("apply");
    this.sendFrames();
    this.sendChunks();
    turns.lap("send");
    this.followMembers();
    this.inTurn = false;
    const tooLong = turns.end();
    if (tooLong === undefined) return;
    this.events.turnTooLong({
      ...tooLong,
      messages,
      flushedEntries: statistics.flushedEntries - flushedEntries,
      appliedEntries: statistics.appliedEntries - appliedEntries,
    });
  }

  private tickLog(nowMs: number): void {
    this.disk.tick(nowMs);
    if (this.statistics.flushes === this.flushesAtTick && this.flushing === undefined) this.ports.log.settle();
    this.flushesAtTick = this.statistics.flushes;
  }

  private mirrorShards(nowMs: number): void {
    const log = this.groups.get(CONTROL_GROUP)?.raft.log;
    if (log === undefined || this.groups.size === 1) return;
    this.mirrors.tick(log.configurations.at(log.commitIndex), [...this.shards()], nowMs);
  }

  /** Where a shard should be led, as the ring says; undefined: it is no shard, or nothing is known of the cluster yet. */
  wishFor(group: GroupId): ShardWish | undefined {
    return this.mirrors.wishes.of(group);
  }

  private *shards(): Generator<AnyGroup> {
    for (const group of this.groups.values()) if (group.group !== CONTROL_GROUP) yield group;
  }

  /** From the cluster only who has left every shard; the shards that have it are asked to let it go. */
  mayLeave(group: GroupId, replica: ReplicaId): boolean {
    return group !== CONTROL_GROUP || this.mirrors.areWithout(replica, this.shards(), this.nowMs());
  }

  /**
   * In a shard only who belongs to the cluster by all that this node has heard. ↯ A node leaves the cluster while a shard takes it in; as a
   * voter that is gone it counts for ever, as a learner it does not.
   */
  mayVote(group: GroupId, replica: ReplicaId): boolean {
    const log = this.groups.get(CONTROL_GROUP)?.raft.log;
    if (group === CONTROL_GROUP || log === undefined) return true;
    return log.configurations
      .since(log.commitIndex)
      .every(({ configuration }) => roleIn(configuration, replica) === "voter");
  }

  /** Of one group at least that is led here: those that will be soon join, so that they share a frame (PROTOCOLS R3). */
  private isBeatDue(nowMs: number): boolean {
    for (const { raft } of this.groups.values()) if (raft.leads?.isBeatDue(nowMs) === true) return true;
    return false;
  }

  /** @returns how many messages there were */
  private stepInbox(nowMs: number): number {
    const inbox = this.inbox;
    this.inbox = [];
    for (const { peer, message } of inbox) {
      if (message.type === "disk") {
        this.disk.heard(peer, message, nowMs);
        this.disksChanged = true;
        continue;
      }
      if (message.type === "features") {
        this.features.heard(peer, message.level);
        continue;
      }
      const group = message.type === "raft" ? message.message.group : message.group;
      this.groups.get(group)?.receive(peer, message);
    }
    return inbox.length;
  }

  /** Takes what each core wants done: the part that may leave now is put into frames, the rest waits for the flush. */
  private collectEffects(nowMs: number): void {
    for (const group of this.groups.values()) {
      const effects = group.raft.takeEffects(nowMs);
      if (group.raft.leads?.hasMoreToSend === true) this.ports.scheduler.requestTurn();
      // Nor has it written anything that the mark of an earlier flush does not cover.
      if (effects === NO_EFFECTS) continue;
      for (const message of effects.immediate) this.send(message.to, { type: "raft", message });
      for (const read of effects.readsReady) group.readReady(read.id, read.index);
      for (const id of effects.readsFailed) group.readFailed(id);
      const { hardState, logStart, truncateFrom, entries } = effects;
      if (group.isRefilled(entries.length)) this.events.repaired(group.group, group.raft.log.lastIndex);
      const id = group.group;
      for (const chunk of effects.chunksToSend) this.chunks.add({ ...chunk, group: id });
      const { records, marks, deferred } = this.waiting;
      if (hardState !== undefined) {
        dropHardState(records, id);
        records.push({ type: "hardState", group: id, hardState });
        if (hardState.vote === this.self) this.statistics.elections++;
      }
      if (logStart !== undefined) records.push({ type: "logStart", group: id, ...logStart });
      if (truncateFrom !== undefined) records.push({ type: "truncate", group: id, fromIndex: truncateFrom });
      if (entries.length > 0) records.push({ type: "entries", group: id, entries });
      marks.push({ group, mark: group.raft.flushMark() });
      for (const message of effects.deferred) deferred.push(message);
      group.handleSnapshots(effects);
    }
  }

  /** The control group decides who the nodes are (PROTOCOLS R6); whether others have what this one has, each for itself. */
  private followMembers(): void {
    let control: Members | undefined;
    let isAlone = false;
    let isUnknown = false;
    for (const group of this.groups.values()) {
      const members = group.followMembers();
      if (group.group === CONTROL_GROUP) control = members;
      // ↯ Three nodes vote in the control group, and one alone in shard 3: with its log damaged it began anew, and lost the shard.
      if (members.onlyVoter === this.self) isAlone = true;
      else if (members.onlyVoter === undefined) isUnknown = true;
    }
    if (control === undefined) return;
    const onlyVoter = isAlone ? this.self : isUnknown ? undefined : control.onlyVoter;
    if (control === this.members && onlyVoter === this.onlyVoter) return;
    this.onlyVoter = onlyVoter;
    this.members = control;
    this.disk.follow(control.configuration);
    this.followPeers(onlyVoter === control.onlyVoter ? control : { ...control, onlyVoter });
  }

  private followPeers(members: Members): void {
    const { network } = this.ports;
    network.follow(members);
    for (const replica of members.replicas.keys()) if (replica !== this.self) this.frameFor(replica);
    for (const peer of this.frames.keys()) {
      if (members.replicas.has(peer) || network.isConnected(peer)) continue;
      this.frames.delete(peer);
      this.greetings.delete(peer);
      this.announcements.delete(peer);
      this.features.forget(peer);
    }
  }

  private frameFor(peer: ReplicaId): void {
    if (!this.frames.has(peer)) this.frames.set(peer, new ByteWriter(64 * 1024));
  }

  /** Peers hear of the disk now and then, and at once when its state changes or when they come. */
  private reportDisk(nowMs: number): void {
    const { disk } = this;
    if (disk.state !== this.diskState) {
      this.diskState = disk.state;
      this.disksChanged = true;
      this.events.diskChanged(disk.state, disk.refusal);
    }
    const due = disk.due(nowMs);
    for (const peer of due === undefined ? this.greetings : this.frames.keys()) {
      this.send(peer, { type: "disk", ...(due ?? disk.report) });
      this.send(peer, { type: "features", level: this.features.own });
    }
    this.greetings.clear();
  }

  /** PROTOCOLS D4: no flush is written before the one before it is durable. */
  private startFlush(): void {
    if (this.flushing !== undefined) return;
    const flush = this.waiting;
    this.waiting = emptyFlush();
    if (flush.records.length === 0) {
      this.durable.push(flush);
      return;
    }
    this.flushing = flush;
    const startMs = this.nowMs();
    this.statistics.flushes++;
    for (const record of flush.records) {
      if (record.type === "entries") this.statistics.flushedEntries += record.entries.length;
    }
    this.disk.handedOver();
    this.ports.log.flush(flush.records, (error) => {
      if (error !== undefined) {
        this.fail(error);
        return;
      }
      this.statistics.flushMs.observe(this.nowMs() - startMs);
      this.flushing = undefined;
      this.durable.push(flush);
      if (!this.inTurn) this.ports.scheduler.requestTurn();
    });
  }

  /** After a flush: its messages leave, and what it made durable may commit, which followers hear at once. */
  private finishFlushes(): void {
    if (this.durable.length === 0) return;
    const durable = this.durable;
    this.durable = [];
    for (const flush of durable) {
      for (const { group, mark } of flush.marks) {
        const { commitIndex } = group.raft.log;
        group.raft.persisted(mark);
        if (group.raft.log.commitIndex > commitIndex) this.ports.scheduler.requestTurn();
      }
      for (const message of flush.deferred) {
        if (this.groups.get(message.group)?.raft.stillHolds(message) !== true) continue;
        this.send(message.to, { type: "raft", message });
      }
    }
  }

  /** Groups that have much to apply share the turn. ↯ Nine take 8 ms each, and heartbeats wait for 72. */
  private apply(): void {
    let applying = 0;
    for (const group of this.groups.values()) if (group.isApplying) applying++;
    const share = 1 / Math.max(1, applying);
    for (const group of this.groups.values()) {
      if (!group.apply(share)) this.ports.scheduler.requestTurn();
    }
  }

  /** Pieces of snapshots, each in a frame behind all others: heartbeats and appends do not wait for them. */
  private sendChunks(): void {
    if (this.chunks.isEmpty) return;
    for (const chunk of this.chunks.next()) {
      const message = this.groups.get(chunk.group)?.snapshotChunk(chunk);
      const writer = this.frames.get(chunk.to);
      if (message === undefined || writer === undefined) continue;
      this.send(chunk.to, { type: "raft", message });
      if (writer.length > 0) this.sendFrame(chunk.to, writer);
    }
    if (!this.chunks.isEmpty) this.ports.scheduler.requestTurn();
  }

  private sendFrames(): void {
    for (const [peer, writer] of this.frames) if (writer.length > 0) this.sendFrame(peer, writer);
  }

  private sendFrame(peer: ReplicaId, writer: ByteWriter): void {
    if (writer.length <= limits.maxFrameBytes) this.ports.network.send(peer, writer.written());
    writer.reset();
  }
}

/** The newer one counts alone: however long a flush is waited for, terms and votes take no more room in the next. */
function dropHardState(records: LogRecord[], group: GroupId): void {
  const at = records.findIndex((record) => record.type === "hardState" && record.group === group);
  if (at >= 0) records.splice(at, 1);
}

function emptyFlush(): Flush {
  return { records: [], marks: [], deferred: [] };
}
