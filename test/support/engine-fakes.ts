/** Ports of the engine that a test holds in its hand, and a state machine that is easy to follow. */
import { Engine, type EngineEvents } from "../../src/engine/engine.ts";
import type { DiskState } from "../../src/engine/disk-report.ts";
import type { SnapshotPace } from "../../src/engine/snapshot-taker.ts";
import type { SnapshotLimits } from "../../src/raft/options.ts";
import type { SnapshotNews } from "../../src/engine/group-snapshots.ts";
import type { SnapshotFailure, SnapshotMade, SnapshotMaker, SnapshotOrder } from "../../src/engine/snapshot-maker.ts";
import { SnapshotMaking } from "../../src/engine/snapshot-making.ts";
import { SyncTimes } from "../../src/engine/sync-times.ts";
import { createGroup } from "../../src/engine/create-group.ts";
import type { GroupHost } from "../../src/engine/group-host.ts";
import { type PeerMessage, readPeerMessages, writePeerMessage } from "../../src/engine/peer-messages.ts";
import type { GroupStop } from "../../src/engine/group-stop.ts";
import type { LongTurn } from "../../src/engine/turn-watch.ts";
import { MemorySnapshotFiles } from "../../src/sim/memory-snapshot-files.ts";
import { MemoryJournal } from "../../src/sim/memory-journal.ts";
import type { Members } from "../../src/engine/members.ts";
import type { PeerNetwork } from "../../src/engine/ports.ts";
import type { Outcome, StateMachine, StateRestoration } from "../../src/engine/state-machine.ts";
import type { TransferEnd } from "../../src/engine/transfers.ts";
import { hashText } from "../../src/kernel/hash-table.ts";
import { ByteWriter, DecodeError } from "../../src/kernel/bytes.ts";
import { decodeFeatureLevel } from "../../src/kernel/feature-level.ts";
import type { GroupLog } from "../../src/raft/storage.ts";
import type { Configuration, Entry, NodeFacts, ReplicaId } from "../../src/raft/types.ts";
import type { PinnedExcerpt } from "../../src/wal/excerpt.ts";
import type { SnapshotFiles } from "../../src/wal/snapshot-files.ts";
import { SnapshotStore } from "../../src/wal/snapshot-store.ts";
import type { LogRecord, WriteAheadLog } from "../../src/wal/records.ts";

/** What the engine did, in order: `→2` a frame to replica 2, `flush`, `durable`, `apply 3`. */
export type Trace = string[];

export class FakeLog implements WriteAheadLog {
  readonly recovered = new Map<number, GroupLog>();
  readonly room = { entryBytes: Number.POSITIVE_INFINITY, refusal: undefined as Error | undefined, retry: () => {} };
  /** Flushes stay under way until {@link complete}. */
  slow = false;
  /** The next flush fails. */
  broken = false;
  readonly flushed: (readonly LogRecord[])[] = [];
  /** Of each group, by index. */
  private readonly entries = new Map<number, Entry[]>();
  /** Excerpts that are not released. */
  pins = 0;
  private underWay: (() => void) | undefined;

  constructor(private readonly trace: Trace) {}

  read(group: number, from: number, to: number): Entry[] {
    return this.entriesOf(group).slice(from, to + 1);
  }

  settle(): void {}

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    if (this.underWay !== undefined) throw new Error("a flush before the one before it is durable");
    this.trace.push("flush");
    this.flushed.push(records);
    this.underWay = () => {
      this.underWay = undefined;
      if (this.broken) {
        onDurable(new Error("no disk"));
        return;
      }
      for (const record of records) {
        if (record.type !== "entries") continue;
        const entries = this.entriesOf(record.group);
        for (const entry of record.entries) entries[entry.index] = entry;
      }
      this.trace.push("durable");
      onDurable();
    };
    if (!this.slow) this.complete();
  }

  pin(group: number, from: number, to: number): PinnedExcerpt {
    this.pins++;
    return { excerpt: { group, from, to, segments: [], positions: [] }, release: () => void this.pins-- };
  }

  complete(): void {
    this.underWay?.();
  }

  get flushing(): boolean {
    return this.underWay !== undefined;
  }

  private entriesOf(group: number): Entry[] {
    const entries = this.entries.get(group);
    if (entries !== undefined) return entries;
    const none: Entry[] = [];
    this.entries.set(group, none);
    return none;
  }
}

/** Makes a snapshot when it is told to. */
export class FakeSnapshotMaker implements SnapshotMaker {
  readonly orders: { readonly order: SnapshotOrder; readonly done: SnapshotMade }[] = [];

  constructor(
    private readonly files: SnapshotFiles,
    private readonly log: FakeLog,
  ) {}

  make(order: SnapshotOrder, done: SnapshotMade): void {
    this.orders.push({ order, done });
  }

  /** The oldest order is carried out. */
  complete(): void {
    const next = this.orders.shift();
    if (next === undefined) throw new Error("no snapshot is wanted");
    const { files, log: entries } = this;
    const making = new SnapshotMaking(next.order, { machine: new EchoMachine(), files, entries }, next.done);
    while (making.step());
  }

  fail(failure: SnapshotFailure): void {
    this.orders.shift()?.done(failure, undefined);
  }
}

export class FakeNetwork implements PeerNetwork {
  readonly frames: { readonly to: ReplicaId; readonly messages: PeerMessage[] }[] = [];
  readonly disconnected = new Set<ReplicaId>();
  /** Whom it was told to follow last. */
  members: Members | undefined;

  constructor(private readonly trace: Trace) {}

  follow(members: Members): void {
    this.members = members;
  }

  isConnected(peer: ReplicaId): boolean {
    return !this.disconnected.has(peer);
  }

  send(peer: ReplicaId, frame: Uint8Array): boolean {
    if (!this.isConnected(peer)) return false;
    const messages = readPeerMessages(frame.slice());
    if (messages === undefined) throw new Error("the engine sends what it cannot read");
    this.frames.push({ to: peer, messages });
    this.trace.push(`→${peer}`);
    return true;
  }

  /** What was sent since the last call. */
  take(): { to: ReplicaId; message: PeerMessage }[] {
    return this.frames.splice(0).flatMap(({ to, messages }) => messages.map((message) => ({ to, message })));
  }
}

/** Answers a command with "did COMMAND" at once; `wait` with nothing until somebody sends `wake SEQUENCE`. */
export class EchoMachine implements StateMachine<string> {
  readonly applied: string[] = [];
  readonly known = new Set<number>();
  deadlineMs: number | undefined;
  featureLevel = 1;
  /** Called for each entry, before it is applied. */
  onApply: (entry: Entry) => void = () => {};

  apply(entry: Entry, emit: (outcome: Outcome<string>) => void): void {
    this.onApply(entry);
    if (entry.kind === "time" && entry.leaseTimeMs >= (this.deadlineMs ?? Infinity)) this.deadlineMs = undefined;
    if (entry.kind === "feature") this.featureLevel = decodeFeatureLevel(entry.payload);
    if (entry.kind !== "command") return;
    const { ingress, sequence, command } = JSON.parse(new TextDecoder().decode(entry.payload)) as {
      ingress: number;
      sequence: number;
      command: string;
    };
    this.applied.push(command);
    if (command === "register") this.known.add(ingress);
    if (!this.known.has(ingress)) emit({ ingress, sequence, result: "stale" });
    else if (command === "wait") emit({ ingress, sequence });
    else {
      const woken = /^wake (\d+)$/.exec(command)?.[1];
      if (woken !== undefined) emit({ ingress, sequence: Number(woken), result: "woken" });
      emit({ ingress, sequence, result: `did ${command}` });
    }
  }

  nextDeadlineMs(): number | undefined {
    return this.deadlineMs;
  }

  digest(): string {
    return this.applied.join();
  }

  readonly stateHashFormula = 1;

  stateHash(): number {
    return hashText(this.digest()) >>> 0;
  }

  snapshot(): Iterable<Uint8Array> {
    const { applied, known, deadlineMs } = this;
    return [new TextEncoder().encode(JSON.stringify({ applied, known: [...known], deadlineMs }))];
  }

  restore(): StateRestoration {
    const taken = new ByteWriter();
    return {
      take: (bytes) => taken.raw(bytes),
      finish: () => {
        const state = readEchoState(taken.written());
        this.applied.splice(0, Infinity, ...state.applied);
        this.known.clear();
        for (const ingress of state.known) this.known.add(ingress);
        this.deadlineMs = state.deadlineMs;
      },
    };
  }
}

function readEchoState(content: Uint8Array): { applied: string[]; known: number[]; deadlineMs?: number } {
  try {
    return JSON.parse(new TextDecoder().decode(content));
  } catch {
    throw new DecodeError("no state of an echo machine");
  }
}

const protocol = {
  encode: (envelope: object) => new TextEncoder().encode(JSON.stringify(envelope)),
  register: "register",
  cancel: (_ingress: number, sequence: number) => `cancel ${sequence}`,
  isStale: (result: string) => result === "stale",
};

/** One node: an engine with one group over fake ports, and with more as a test adds them. Turns run when a test says so. */
export class FakeNode {
  nowMs = 1_000;
  readonly trace: Trace = [];
  readonly log = new FakeLog(this.trace);
  readonly network: FakeNetwork;
  readonly machine = new EchoMachine();
  readonly journal = new MemoryJournal();
  readonly files = new MemorySnapshotFiles();
  readonly store = new SnapshotStore(this.files);
  readonly maker = new FakeSnapshotMaker(this.files, this.log);
  readonly news: SnapshotNews[] = [];
  readonly engine: Engine;
  readonly host: GroupHost<string, string>;
  readonly failures: Error[] = [];
  /** To whom this node said that it hands leadership over. */
  readonly handedTo: ReplicaId[] = [];
  readonly diskStates: DiskState[] = [];
  readonly syncTimes = new SyncTimes();
  readonly stops: GroupStop[] = [];
  readonly longTurns: LongTurn[] = [];
  turnWanted = false;
  readonly repairedTo: number[] = [];

  constructor(
    readonly self: ReplicaId,
    voters: readonly ReplicaId[],
    /** The first of each pair is this engine's identity towards the state machine. */
    readonly identity = 7_000 + self,
    featureLevel = 1,
    snapshotLimits?: SnapshotLimits & SnapshotPace,
  ) {
    this.network = new FakeNetwork(this.trace);
    const events: EngineEvents = {
      failed: (error) => this.failures.push(error),
      leaderChanged: () => {},
      handingOver: (_group, _term, to) => this.handedTo.push(to),
      diskChanged: (state) => this.diskStates.push(state),
      repaired: (_group, index) => this.repairedTo.push(index),
      turnTooLong: (turn) => this.longTurns.push(turn),
      groupStopped: (_group, stop) => this.stops.push(stop),
      snapshotNews: (_group, news) => this.news.push(news),
    };
    const clock = { monotonicMs: () => this.nowMs, wallMs: () => this.nowMs };
    const scheduler = { requestTurn: () => void (this.turnWanted = true) };
    this.engine = new Engine(
      self,
      {
        clock,
        network: this.network,
        scheduler,
        log: this.log,
        snapshots: this,
        syncTimes: this.syncTimes,
        featureLevel,
      },
      events,
    );
    this.host = this.createGroup(0, firstOf(voters), this.machine, snapshotLimits);
    this.machine.onApply = ({ index }) => this.trace.push(`apply ${index}`);
  }

  /** One group more; with no voters this node has no replica of it. */
  addGroup(group: number, voters: readonly ReplicaId[], machine = new EchoMachine()): GroupHost<string, string> {
    return this.createGroup(group, { voters, learners: [] }, machine, undefined);
  }

  private createGroup(
    group: number,
    configuration: Configuration,
    machine: EchoMachine,
    snapshotLimits: (SnapshotLimits & SnapshotPace) | undefined,
  ): GroupHost<string, string> {
    const timing = { electionTimeoutMs: 300, heartbeatIntervalMs: 50, stateHashEvery: 10 };
    const rest = snapshotLimits === undefined ? {} : { snapshotLimits };
    const options = { group, configuration, ...timing, machine, journal: this.journal, protocol, ...rest };
    const random = { next: () => this.self / 10, identity: () => this.identity + 100 * group };
    const host = createGroup(options, this.engine, this.log, random);
    this.engine.addGroup(host);
    return host;
  }

  turn(): void {
    this.turnWanted = false;
    this.engine.turn();
  }

  tick(ms = 10): void {
    this.nowMs += ms;
    this.engine.tick();
    this.turn();
  }

  /** A frame from a peer; its turn comes later. @returns whether it could be decoded */
  receive(from: ReplicaId, ...messages: readonly PeerMessage[]): boolean {
    const writer = new ByteWriter();
    for (const message of messages) writePeerMessage(writer, message);
    return this.engine.onFrame(from, writer.copy());
  }

  transfer(to: ReplicaId, ends: TransferEnd[] = []): TransferEnd[] {
    this.host.transferLeadership(to, this.nowMs, (end) => ends.push(end));
    return ends;
  }

  submit(command: string, ends: string[] = [], host = this.host): string[] {
    const settle = (end: { result: string } | { failure: string }): void => {
      ends.push("result" in end ? end.result : end.failure);
    };
    host.ingress.submit(command, this.nowMs, { cancellable: true }, settle);
    return ends;
  }

  read(ends: (number | undefined)[] = []): (number | undefined)[] {
    this.host.readBarrier(this.nowMs, (index) => ends.push(index));
    return ends;
  }
}

/** Nodes whose frames arrive when they are delivered. */
export class FakeNodes {
  readonly nodes: FakeNode[];

  /** @param levels that the programs of the nodes know; absent: the first */
  constructor(size: number, levels: readonly number[] = [], snapshotLimits?: SnapshotLimits & SnapshotPace) {
    const voters = Array.from({ length: size }, (_, i) => i + 1);
    this.nodes = voters.map((id, i) => new FakeNode(id, voters, undefined, levels[i], snapshotLimits));
  }

  /** One more, with the next id. Who belongs to the group it knows from its log alone. */
  join(featureLevel: number): FakeNode {
    const node = new FakeNode(this.nodes.length + 1, [], undefined, featureLevel);
    for (const other of this.nodes) {
      other.engine.onConnected(node.self, nodeFactsOf(node.self));
      node.engine.onConnected(other.self, nodeFactsOf(other.self));
    }
    this.nodes.push(node);
    return node;
  }

  /** One group more, of which the nodes that are not among its voters have no replica. */
  addGroup(group: number, voters: readonly ReplicaId[]): GroupHost<string, string>[] {
    return this.nodes.map((node) => node.addGroup(group, voters.includes(node.self) ? voters : []));
  }

  /** No frame reaches the node, and none comes from it. */
  isolate(id: ReplicaId): void {
    for (const { self } of this.nodes) {
      if (self === id) continue;
      this.cut(id, self);
      this.cut(self, id);
    }
  }

  /** Everybody reaches everybody. */
  connect(): void {
    for (const node of this.nodes) {
      const lost = [...node.network.disconnected];
      node.network.disconnected.clear();
      for (const peer of lost) node.engine.onConnected(peer, nodeFactsOf(peer));
    }
  }

  node(id: ReplicaId): FakeNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`there is no node ${id}`);
    return node;
  }

  /** Carries frames and runs the turns that are wanted, until all is quiet. */
  settle(): void {
    for (let rounds = 0; this.round(); rounds++) if (rounds > 1_000) throw new Error("the nodes do not come to rest");
  }

  /** Every node's time goes on. */
  pass(ms: number): void {
    for (let passed = 0; passed < ms; passed += 10) {
      for (const node of this.nodes) node.tick();
      this.settle();
    }
  }

  /** The turns that are wanted, and what they send. @returns false when there was nothing to do */
  round(): boolean {
    let busy = false;
    for (const node of this.nodes) {
      if (node.turnWanted) {
        busy = true;
        node.turn();
      }
      for (const { to, message } of node.network.take()) {
        busy = true;
        this.node(to).receive(node.self, message);
      }
    }
    return busy;
  }

  private cut(from: ReplicaId, to: ReplicaId): void {
    const { network, engine } = this.node(from);
    network.disconnected.add(to);
    engine.onDisconnected(to);
  }
}

/** As people name the founders: nobody knows incarnations yet. */
function firstOf(voters: readonly ReplicaId[]): Configuration {
  const nodes = new Map(voters.map((replica) => [replica, { ...nodeFactsOf(replica), incarnation: 0 }]));
  return { voters, learners: [], facts: { nextReplica: Math.max(0, ...voters) + 1, nodes } };
}

/** What the node with that replica says of itself. */
export function nodeFactsOf(replica: ReplicaId): NodeFacts {
  const peerAddress = { host: `node${replica}`, port: 1 };
  return { nodeId: `node${replica}`, incarnation: replica, peerAddress, clientAddress: undefined };
}
