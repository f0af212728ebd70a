import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import { encodeConfiguration, isOneStep, roleIn } from "./configuration.ts";
import { Followers } from "./followers.ts";
import type { LeaseTime } from "./lease-time.ts";
import type { RaftLog } from "./log.ts";
import type { RaftOptions } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { FollowerView, Progress } from "./progress.ts";
import { type ReadId, Rounds } from "./rounds.ts";
import { SnapshotSender } from "./snapshot-sender.ts";
import type {
  AppendReply,
  Configuration,
  Entry,
  EntryKind,
  HeartbeatReply,
  ReplicaId,
  SnapshotReply,
} from "./types.ts";

/** Rounds that reads may keep open at once; further reads wait and share the next one. */
const MAX_READ_ROUNDS = 8;
/** Bytes on their way to one follower. */
const MAX_INFLIGHT_BYTES = 8 * 1024 * 1024;
/**
 * Bytes for one follower in one turn, but one append at least. ↯ A follower comes back two million entries behind: to
 * read a whole window of them back and encode it takes longer than an election time-out, and the leader is deposed.
 */
const MAX_TURN_BYTES = 256 * 1024;
/** What an entry costs beside its payload: small ones are many. */
const ENTRY_BYTES = 32;
const EMPTY = new Uint8Array(0);

/**
 * "notLeader": never appended, ask who leads then. A leader says it, too, while it hands leadership over.
 * "noRoom": this replica's log has none for the entry.
 */
export type Proposed = "accepted" | "overloaded" | "noRoom" | "notLeader";

/**
 * "busy": the change before has not committed, or nothing of this term has; ask again. "invalid": not a change by one replica,
 * or one that leaves no voter.
 */
export type ProposedConfiguration = "accepted" | "busy" | "invalid" | "noRoom" | "notLeader";

/** "busy": leadership is on its way to somebody else. "unknown": no other voter. */
export type TransferStart = "started" | "busy" | "unknown";

interface Transfer {
  readonly to: ReplicaId;
  /** Its log was complete, and it has been told to stand for election. */
  asked: boolean;
  elapsedMs: number;
}

/** What one replica does and knows while it leads one term. Ends with the term. */
export class Leadership {
  private readonly followers: Followers;
  private readonly rounds = new Rounds();
  /** The first entry of this term: until it has committed nothing is known to be committed (Raft §5.4.2, §8). */
  private readonly noopIndex: number;
  /** Payload of this term's entries that have not committed. Invariant: ≥ 0. */
  private uncommittedBytes = 0;
  /** Commit index at the quorum checks before: who holds so much lags by two election time-outs at most. */
  private committedBefore = Infinity;
  private committedAtCheck = Infinity;
  private lastRoundMs: number;
  private sinceQuorumCheckMs = 0;
  private transfer: Transfer | undefined;
  /** The last {@link replicate} left something for the next: it could be sent already. */
  hasMoreToSend = false;

  constructor(
    private readonly term: number,
    private readonly options: RaftOptions,
    private readonly log: RaftLog,
    private readonly outbox: Outbox,
    private readonly leaseTime: LeaseTime,
    nowMs: number,
  ) {
    this.followers = new Followers(options.self, log.configurations.current.configuration, log.lastIndex + 1);
    this.noopIndex = log.lastIndex + 1;
    options.room.take("noop", 0);
    this.appendEntry("noop", EMPTY);
    this.lastRoundMs = nowMs;
    this.beginRound(nowMs);
  }

  /** The no-op has committed: reads and lease time are sound. */
  get established(): boolean {
    return this.log.commitIndex >= this.noopIndex;
  }

  follower(replica: ReplicaId): FollowerView | undefined {
    return this.followers.get(replica);
  }

  /**
   * Appends to the leader's own log; replication leaves with the turn's effects.
   *
   * @param reserved keepalive, release, cancel and time: they draw on a tenth that nothing else may use (PROTOCOLS R9)
   */
  propose(kind: Exclude<EntryKind, "configuration">, payload: Uint8Array, reserved: boolean): Proposed {
    // The log stands still, so that the target can have all of it (thesis §3.10).
    if (this.transfer !== undefined) return "notLeader";
    const limit = this.options.maxUncommittedBytes * (reserved ? 1 : 0.9);
    if (this.uncommittedBytes + payload.length > limit) return "overloaded";
    if (!this.options.room.take(kind, payload.length)) return "noRoom";
    this.uncommittedBytes += payload.length;
    this.appendEntry(kind, payload);
    return "accepted";
  }

  /** To whom leadership is being handed over, or 0. */
  get transferee(): ReplicaId {
    return this.transfer?.to ?? 0;
  }

  /**
   * Takes no more proposals, brings the target up to date and lets it stand for election at once (thesis §3.10). After an
   * election time-out, or when the way to the target breaks, this leader gives up and goes on.
   */
  transferTo(to: ReplicaId): TransferStart {
    if (this.followers.voter(to) === undefined) return "unknown";
    if (this.transfer !== undefined) return this.transfer.to === to ? "started" : "busy";
    this.transfer = { to, asked: false, elapsedMs: 0 };
    this.askTransferee();
    return "started";
  }

  /** Who would take over soonest. 0: nobody that is `eligible`. */
  successor(eligible: (replica: ReplicaId) => boolean): ReplicaId {
    return this.followers.successor(eligible);
  }

  /**
   * Changes the group by one replica, in force from now on (PROTOCOLS R5). Not before an entry of this term has committed: ↯ two
   * leaders in turn append a change each to the same configuration, and their majorities share nobody (Ongaro, raft-dev, 2015).
   */
  proposeConfiguration(configuration: Configuration): ProposedConfiguration {
    if (this.transfer !== undefined) return "notLeader";
    const { current } = this.log.configurations;
    if (!this.established || current.index > this.log.commitIndex) return "busy";
    if (!isOneStep(current.configuration, configuration)) return "invalid";
    const payload = encodeConfiguration(configuration);
    if (!this.options.room.take("configuration", payload.length)) return "noRoom";
    this.uncommittedBytes += payload.length;
    this.appendEntry("configuration", payload);
    // Whoever joins is probed with this very entry.
    this.followers.reconfigure(configuration, this.log.lastIndex);
    this.advanceCommit();
    return "accepted";
  }

  /** The group goes on without this replica: the change has committed. */
  get isOver(): boolean {
    const { index, configuration } = this.log.configurations.current;
    return index <= this.log.commitIndex && roleIn(configuration, this.options.self) !== "voter";
  }

  /** The replica gets entries and lags by two election time-outs at most: it would not hold a majority up (thesis §4.2.1). */
  isCaughtUp(replica: ReplicaId): boolean {
    const progress = this.followers.get(replica);
    if (progress?.state !== "replicate" || progress.repairing) return false;
    return progress.matchIndex >= this.committedBefore;
  }

  read(id: ReadId): void {
    this.rounds.read(id);
  }

  unansweredReads(): ReadId[] {
    return this.rounds.unanswered();
  }

  /**
   * @param countedMs time since the last tick without pauses of our own
   * @param joins another group's heartbeats leave with this turn
   * @returns false when no majority was heard within an election time-out: the leader must step down (thesis §6.2)
   */
  tick(nowMs: number, countedMs: number, joins: boolean): boolean {
    this.sinceQuorumCheckMs += countedMs;
    if (this.transfer !== undefined) {
      this.transfer.elapsedMs += countedMs;
      if (this.transfer.elapsedMs >= this.options.electionTimeoutMs) this.transfer = undefined;
    }
    if (this.sinceQuorumCheckMs >= this.options.electionTimeoutMs) {
      this.sinceQuorumCheckMs = 0;
      this.committedBefore = this.committedAtCheck;
      this.committedAtCheck = this.log.commitIndex;
      if (!this.followers.heardMajority()) return false;
    }
    if (this.isBeatDue(nowMs) || (joins && this.isBeatNear(nowMs))) this.beginRound(nowMs);
    for (const progress of this.followers.progresses()) {
      if (progress.silentForMs(nowMs) >= this.options.electionTimeoutMs) progress.probe();
    }
    return true;
  }

  /** A tick that is early by a whisker must not put the heartbeat off by a whole tick. */
  isBeatDue(nowMs: number): boolean {
    return nowMs - this.lastRoundMs >= 0.9 * this.options.heartbeatIntervalMs;
  }

  /** Of two groups one is always near when the other is due: from then on they beat together (PROTOCOLS R3). */
  private isBeatNear(nowMs: number): boolean {
    return nowMs - this.lastRoundMs >= 0.5 * this.options.heartbeatIntervalMs;
  }

  /** What the turn has to say to the followers: appends, new commit indexes, a round for waiting reads. */
  replicate(nowMs: number): void {
    const reads = this.rounds.hasWaitingReads && this.established;
    if (reads && this.rounds.openCount < MAX_READ_ROUNDS) this.beginRound(nowMs);
    this.hasMoreToSend = false;
    for (const [to, progress] of this.followers.entries()) {
      if (progress.nextIndex <= this.log.compacted.index) this.sendSnapshot(to, progress, nowMs);
      else if (progress.held) this.sendOpening(to, progress, nowMs);
      else this.sendAppends(to, progress, nowMs);
      this.sendCommit(to, progress);
    }
  }

  appendReply(message: AppendReply, nowMs: number): void {
    const progress = this.followers.get(message.from);
    if (progress === undefined) return;
    progress.answered(nowMs, message.repairing === true);
    if (message.success) this.holds(progress, message.index);
    else progress.refused(message.index, this.log.lastIndexWithTermAtMost(message.hintTerm, message.hintIndex));
  }

  snapshotReply(message: SnapshotReply, nowMs: number): void {
    const progress = this.followers.get(message.from);
    if (progress === undefined) return;
    progress.answered(nowMs, message.repairing === true);
    // Whatever snapshot it speaks of: it holds our log so far.
    if (message.state === "installed") this.holds(progress, message.index);
    const { sender } = progress;
    if (sender === undefined || sender.snapshot.index !== message.index) return;
    if (message.state === "receiving") sender.received(message.offset, nowMs);
    else if (message.state === "refused") sender.refused(nowMs);
  }

  /** Up to where the log must stay for followers that answer: by entries, or behind the snapshot that they are getting. */
  get neededIndex(): number {
    let needed = Number.POSITIVE_INFINITY;
    for (const { state, matchIndex, sender } of this.followers.progresses()) {
      if (state === "replicate") needed = Math.min(needed, matchIndex);
      if (sender?.isAlive(this.lastRoundMs) === true) needed = Math.min(needed, sender.snapshot.index);
    }
    return needed;
  }

  isSending(snapshotIndex: number): boolean {
    for (const { sender } of this.followers.progresses()) if (sender?.snapshot.index === snapshotIndex) return true;
    return false;
  }

  heartbeatReply(message: HeartbeatReply, nowMs: number): void {
    const progress = this.followers.get(message.from);
    if (progress === undefined) return;
    progress.active = true;
    progress.confirmedRound = Math.max(progress.confirmedRound, Math.min(message.round, this.rounds.lastRound));
    if (progress.silentForMs(nowMs) > this.options.heartbeatIntervalMs) progress.repeatProbe();
    this.confirmRounds();
  }

  /** The connection broke: what was on its way may be lost. */
  disconnected(replica: ReplicaId): void {
    this.followers.get(replica)?.probe();
    if (this.transfer?.to === replica) this.transfer = undefined;
  }

  hold(replica: ReplicaId, held: boolean): void {
    const progress = this.followers.get(replica);
    if (progress === undefined || progress.held === held) return;
    progress.held = held;
    if (progress.state === "replicate") progress.probe();
    progress.probeSent = false;
  }

  /** Commits what a majority holds durably, this replica included, if it is of this term (Raft §5.4.2, PROTOCOLS R2). */
  advanceCommit(): void {
    const reached = this.followers.reached(this.log.durableIndex, countedIndexOf);
    if (reached <= this.log.commitIndex || this.log.term(reached) !== this.term) return;
    // What earlier leaders left is not ours to count; ours is in memory until it has committed.
    this.uncommittedBytes -= this.log.payloadBytes(Math.max(this.log.commitIndex + 1, this.noopIndex), reached);
    this.log.commitTo(reached);
    if (this.established && !this.leaseTime.running) this.leaseTime.start();
  }

  private holds(progress: Progress, index: number): void {
    // A follower cannot hold more of our log than there is; a claim beyond it is not believed.
    if (index > this.log.lastIndex) return;
    progress.acknowledged(index, this.log.compacted.index);
    this.advanceCommit();
    this.askTransferee();
  }

  private askTransferee(): void {
    const { transfer } = this;
    if (transfer === undefined || transfer.asked || this.follower(transfer.to)?.matchIndex !== this.log.lastIndex)
      return;
    transfer.asked = true;
    this.outbox.send({ type: "timeoutNow", ...this.envelope(transfer.to) });
  }

  private appendEntry(kind: EntryKind, payload: Uint8Array): void {
    const entry: Entry = {
      index: this.log.lastIndex + 1,
      term: this.term,
      kind,
      leaseTimeMs: this.leaseTime.stamp(),
      payload,
    };
    this.log.append(entry);
    this.outbox.append(entry);
  }

  private beginRound(nowMs: number): void {
    this.lastRoundMs = nowMs;
    const round = this.rounds.begin(nowMs, this.log.commitIndex, this.established);
    for (const [to, progress] of this.followers.entries()) this.sendHeartbeat(to, progress, round);
    this.confirmRounds();
  }

  private confirmRounds(): void {
    if (this.rounds.openCount === 0) return;
    this.rounds.confirm(
      this.followers.reached(this.rounds.lastRound, confirmedRoundOf),
      (sentAtMs, readIndex, reads) => {
        this.leaseTime.confirmed(sentAtMs);
        for (const id of reads) this.outbox.readReady(id, readIndex);
      },
    );
  }

  /** To a follower that is held: the entry that opens a term, once it is known to hold all before that one. */
  private sendOpening(to: ReplicaId, progress: Progress, nowMs: number): void {
    const { nextIndex } = progress;
    const opens = nextIndex <= this.log.lastIndex && this.log.term(nextIndex) !== this.log.term(nextIndex - 1);
    const isAsked = progress.matchIndex < nextIndex - 1;
    if ((!opens && !isAsked) || !progress.canSend(1, 1)) return;
    this.sendAppend(to, progress, opens ? this.log.slice(nextIndex, nextIndex, 0) : [], nowMs);
  }

  private sendAppends(to: ReplicaId, progress: Progress, nowMs: number): void {
    let turnBytes = 0;
    while (
      progress.nextIndex <= this.log.lastIndex &&
      progress.canSend(this.options.maxInflightAppends, MAX_INFLIGHT_BYTES)
    ) {
      if (turnBytes >= MAX_TURN_BYTES) {
        this.hasMoreToSend = true;
        return;
      }
      const entries = this.log.slice(progress.nextIndex, this.log.lastIndex, this.options.maxAppendBytes);
      turnBytes += this.sendAppend(to, progress, entries, nowMs);
    }
  }

  /** @returns bytes of the entries */
  private sendAppend(to: ReplicaId, progress: Progress, entries: readonly Entry[], nowMs: number): number {
    const prevIndex = progress.nextIndex - 1;
    const lastIndex = prevIndex + entries.length;
    this.outbox.send({
      type: "append",
      ...this.envelope(to),
      prevIndex,
      prevTerm: this.log.term(prevIndex) ?? 0,
      commitIndex: this.log.commitIndex,
      leaseTimeMs: this.leaseTime.nowMs,
      entries,
    });
    progress.sentCommitIndex = Math.max(progress.sentCommitIndex, Math.min(this.log.commitIndex, lastIndex));
    const bytes = sizeOf(entries);
    progress.sent(lastIndex, bytes, nowMs);
    return bytes;
  }

  private sendSnapshot(to: ReplicaId, progress: Progress, nowMs: number): void {
    // Its disk has no room for entries, and less for a snapshot.
    if (progress.held) return;
    const sender = this.senderFor(progress, nowMs);
    progress.sending(nowMs);
    for (let piece = sender.next(nowMs); piece !== undefined; piece = sender.next(nowMs)) {
      this.outbox.sendChunk({ to, term: this.term, snapshot: sender.snapshot, ...piece });
    }
  }

  /**
   * One snapshot at a time. It stays the same while the follower takes it, however many newer ones are made meanwhile: else
   * a large one would never arrive. It is given up for the newest when what follows it is forgotten, too.
   */
  private senderFor(progress: Progress, nowMs: number): SnapshotSender {
    const { snapshot: newest, compacted } = this.log;
    assert(newest !== undefined, "what a log has forgotten is in a snapshot");
    const { sender } = progress;
    const leads =
      sender !== undefined &&
      sender.snapshot.index >= compacted.index &&
      (sender.snapshot === newest || sender.isAlive(nowMs));
    if (leads) return sender;
    const next = new SnapshotSender(newest, this.options.snapshotLimits ?? limits, this.options.electionTimeoutMs);
    progress.install(next);
    return next;
  }

  /** Tells at once what has committed, so that the node that took a request in can answer it. */
  private sendCommit(to: ReplicaId, progress: Progress): void {
    if (Math.min(progress.matchIndex, this.log.commitIndex) > progress.sentCommitIndex) {
      this.sendHeartbeat(to, progress, 0);
    }
  }

  private sendHeartbeat(to: ReplicaId, progress: Progress, round: number): void {
    const commitIndex = Math.min(progress.matchIndex, this.log.commitIndex);
    progress.sentCommitIndex = Math.max(progress.sentCommitIndex, commitIndex);
    this.outbox.send({
      type: "heartbeat",
      ...this.envelope(to),
      round,
      commitIndex,
      leaseTimeMs: this.leaseTime.nowMs,
    });
  }

  private envelope(to: ReplicaId): { group: number; from: ReplicaId; to: ReplicaId; term: number } {
    return { group: this.options.group, from: this.options.self, to, term: this.term };
  }
}

const countedIndexOf = ({ matchIndex, repairing }: Progress): number => (repairing ? 0 : matchIndex);
const confirmedRoundOf = (progress: Progress): number => progress.confirmedRound;

function sizeOf(entries: readonly Entry[]): number {
  let bytes = entries.length * ENTRY_BYTES;
  for (const entry of entries) bytes += entry.payload.length;
  return bytes;
}
