import { ByteWriter } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import type { FlushMark } from "../raft/raft.ts";
import type { GroupId, Message, ReplicaId } from "../raft/types.ts";
import type { LogRecord, WriteAheadLog } from "../wal/records.ts";
import type { GroupHost, GroupServices } from "./group-host.ts";
import { type PeerMessage, readPeerMessages, writePeerMessage } from "./peer-messages.ts";
import type { Clock, PeerEvents, PeerNetwork, TurnScheduler } from "./ports.ts";
import { EngineStatistics } from "./statistics.ts";

export interface EnginePorts {
  readonly clock: Clock;
  readonly network: PeerNetwork;
  readonly scheduler: TurnScheduler;
  readonly log: WriteAheadLog;
}

/** What the engine tells the node around it. */
export interface EngineEvents {
  /** The node must stop: the first error of the disk (PROTOCOLS D9). Called once. */
  failed(error: Error): void;
  leaderChanged(group: GroupId, term: number, leader: ReplicaId): void;
  /** This node leads and begins to hand leadership over. */
  handingOver(group: GroupId, term: number, to: ReplicaId): void;
}

/** Any group: the engine never looks into commands and results. */
// oxlint-disable-next-line typescript/no-explicit-any -- existential type: Command and Result differ by group
type AnyGroup = GroupHost<any, any>;

interface Flush {
  readonly records: LogRecord[];
  readonly marks: { readonly group: AnyGroup; readonly mark: FlushMark }[];
  readonly deferred: Message[];
}

/** A frame is sent early once it holds this much. */
const FRAME_BYTES = 1024 * 1024;

/**
 * The background consensus loop of one node, over all its groups. A turn: what came in is stepped, what clients asked is
 * proposed, then the effects are carried out in the one order that is safe (PROTOCOLS D1–D3). The host calls
 * {@link turn} when it was requested and {@link tick} every few ms; the engine has no clock, socket or disk of its own.
 */
export class Engine implements PeerEvents, GroupServices {
  readonly statistics = new EngineStatistics();
  private readonly groups = new Map<GroupId, AnyGroup>();
  private inbox: { readonly peer: ReplicaId; readonly message: PeerMessage }[] = [];
  private readonly frames = new Map<ReplicaId, ByteWriter>();
  private waiting: Flush = emptyFlush();
  private flushing: Flush | undefined;
  private durable: Flush[] = [];
  private tickDue = false;
  private stopped = false;
  private inTurn = false;

  constructor(
    readonly self: ReplicaId,
    private readonly ports: EnginePorts,
    private readonly events: EngineEvents,
  ) {
    for (const peer of ports.network.peers) this.frames.set(peer, new ByteWriter(64 * 1024));
  }

  addGroup(group: AnyGroup): void {
    this.groups.set(group.group, group);
  }

  nowMs(): number {
    return this.ports.clock.monotonicMs();
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

  onConnected(peer: ReplicaId): void {
    for (const group of this.groups.values()) group.peerConnected(peer);
    this.ports.scheduler.requestTurn();
  }

  onDisconnected(peer: ReplicaId): void {
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
    const startMs = this.nowMs();
    this.statistics.turns++;
    this.inTurn = true;
    for (const group of this.groups.values()) group.raft.beginTurn(startMs);
    this.finishFlushes();
    this.stepInbox();
    for (const group of this.groups.values()) {
      if (this.tickDue) group.tick(startMs);
      group.pump(startMs);
    }
    this.tickDue = false;
    this.collectEffects(startMs);
    this.sendFrames();
    this.startFlush();
    this.finishFlushes();
    this.apply();
    this.sendFrames();
    this.inTurn = false;
    this.statistics.turnMs.observe(this.nowMs() - startMs);
  }

  private stepInbox(): void {
    const inbox = this.inbox;
    this.inbox = [];
    for (const { peer, message } of inbox) {
      const group = message.type === "raft" ? message.message.group : message.group;
      this.groups.get(group)?.receive(peer, message);
    }
  }

  /** Takes what each core wants done: the part that may leave now is put into frames, the rest waits for the flush. */
  private collectEffects(nowMs: number): void {
    for (const group of this.groups.values()) {
      const effects = group.raft.takeEffects(nowMs);
      if (group.raft.hasMoreToSend) this.ports.scheduler.requestTurn();
      for (const message of effects.immediate) this.send(message.to, { type: "raft", message });
      for (const read of effects.readsReady) group.readReady(read.id, read.index);
      for (const id of effects.readsFailed) group.readFailed(id);
      const { hardState, truncateFrom, entries } = effects;
      const id = group.group;
      const { records, marks, deferred } = this.waiting;
      if (hardState !== undefined) {
        records.push({ type: "hardState", group: id, hardState });
        if (hardState.vote === this.self) this.statistics.elections++;
      }
      if (truncateFrom !== undefined) records.push({ type: "truncate", group: id, fromIndex: truncateFrom });
      if (entries.length > 0) records.push({ type: "entries", group: id, entries });
      marks.push({ group, mark: group.raft.flushMark() });
      for (const message of effects.deferred) deferred.push(message);
    }
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
    this.ports.log.flush(flush.records, (error) => {
      if (error !== undefined) {
        this.stopped = true;
        this.events.failed(error);
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

  private apply(): void {
    for (const group of this.groups.values()) {
      if (!group.apply()) this.ports.scheduler.requestTurn();
    }
  }

  private sendFrames(): void {
    for (const [peer, writer] of this.frames) if (writer.length > 0) this.sendFrame(peer, writer);
  }

  private sendFrame(peer: ReplicaId, writer: ByteWriter): void {
    if (writer.length <= limits.maxFrameBytes) this.ports.network.send(peer, writer.written());
    writer.reset();
  }
}

function emptyFlush(): Flush {
  return { records: [], marks: [], deferred: [] };
}
