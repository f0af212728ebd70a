import { assert, unreachable } from "../kernel/assert.ts";
import { accepted, refused } from "./append-replies.ts";
import { Ballot } from "./ballot.ts";
import { isCandidate } from "./candidacy.ts";
import { Election } from "./election.ts";
import { Leadership, type Proposed, type ProposedConfiguration, type TransferStart } from "./leadership.ts";
import { LeaseTime } from "./lease-time.ts";
import type { RaftLog } from "./log.ts";
import { answerToLowerTerm } from "./lower-term.ts";
import type { FollowerView } from "./progress.ts";
import type { RaftOptions } from "./options.ts";
import { type Effects, Outbox } from "./outbox.ts";
import type { ReadId } from "./rounds.ts";
import { Snapshots } from "./snapshots.ts";
import { successionTimeoutMs } from "./succession.ts";
import type {
  AppendRequest,
  Configuration,
  EntryKind,
  Floor,
  HardState,
  Heartbeat,
  Message,
  PreVoteRequest,
  ReplicaId,
  Role,
  TimeoutNow,
  VoteRequest,
} from "./types.ts";

/** What a flush wrote, as it was when it was handed over; {@link Raft.persisted} takes it back. */
export interface FlushMark {
  readonly lastIndex: number;
  readonly lastTerm: number;
  readonly hardStateChanges: number;
}

/** Election time-outs that a replica which should not lead leaves to the others. */
const RELUCTANCE = 4;

/**
 * Consensus for one group. Pure: it is told of messages, time and finished writes, and tells in
 * {@link Effects} what must be done; it never does anything itself.
 */
export class Raft {
  private readonly ballot: Ballot;
  private currentRole: Role = "follower";
  /** Leads only when nobody else does. */
  private reluctant = false;
  private knownLeader: ReplicaId = 0;
  private election: Election | undefined;
  private leadership: Leadership | undefined;
  private readonly outbox: Outbox;
  readonly self: ReplicaId;
  readonly leaseTime: LeaseTime;
  readonly snapshots: Snapshots;

  private lastTickMs: number;
  /** Since a leader was heard, a vote granted or an election begun. */
  private electionElapsedMs = 0;
  private electionTimeoutMs: number;
  /** Since the leader of this term was heard; infinite when there is none. */
  private sinceLeaderMs = Number.POSITIVE_INFINITY;

  constructor(
    private readonly options: RaftOptions,
    readonly log: RaftLog,
    hardState: HardState,
    leaseTimeMs: number,
    nowMs: number,
  ) {
    log.configurations.begin(options.configuration);
    assert(hardState.term >= log.lastTerm, "the term is never behind the log");
    this.self = options.self;
    this.outbox = new Outbox(log.lastIndex);
    this.ballot = new Ballot(hardState, log, this.outbox);
    const initialMs = log.restarted ? log.lastLeaseTimeMs : leaseTimeMs;
    this.leaseTime = new LeaseTime(initialMs, log.lastTerm, 2 * options.heartbeatIntervalMs);
    if (log.restarted) this.outbox.restart(log.compacted);
    this.snapshots = new Snapshots(options, log, this.outbox, this, () => this.leadership);
    this.lastTickMs = nowMs;
    this.electionTimeoutMs = this.drawElectionTimeout();
  }

  get term(): number {
    return this.ballot.term;
  }

  get vote(): ReplicaId {
    return this.ballot.vote;
  }

  /** How far the log must get until this replica, which has lost entries, is one like the others again. */
  get floor(): Floor | undefined {
    return this.ballot.floor;
  }

  /** It answers as one that says nothing of entries: see {@link Ballot}. */
  get repairing(): boolean {
    return this.ballot.repairing;
  }

  /** Entries were added, or a snapshot took their place. */
  refilled(): void {
    this.ballot.settle();
  }

  get role(): Role {
    return this.currentRole;
  }

  /** The leader of the current term, or 0 while none is known. */
  get leader(): ReplicaId {
    return this.knownLeader;
  }

  /** Leads, and its own no-op has committed. */
  get established(): boolean {
    return this.leadership?.established ?? false;
  }

  /** In force: the newest in the log, committed or not. */
  get configuration(): Configuration {
    return this.log.configurations.current.configuration;
  }

  /** See {@link Leadership.proposeConfiguration}. */
  proposeConfiguration(configuration: Configuration): ProposedConfiguration {
    return this.leadership?.proposeConfiguration(configuration) ?? "notLeader";
  }

  /** A learner that is may become a voter. Known to the leader alone. */
  isCaughtUp(replica: ReplicaId): boolean {
    return this.leadership?.isCaughtUp(replica) ?? false;
  }

  follower(replica: ReplicaId): FollowerView | undefined {
    return this.leadership?.follower(replica);
  }

  /** @returns "notLeader" when another replica should be asked, at once or as soon as it leads */
  propose(kind: Exclude<EntryKind, "configuration">, payload: Uint8Array, reserved = false): Proposed {
    return this.leadership?.propose(kind, payload, reserved) ?? "notLeader";
  }

  /** To whom this leader is handing leadership over, or 0. */
  get transferee(): ReplicaId {
    return this.leadership?.transferee ?? 0;
  }

  /** Begins to hand leadership over; it has worked when another replica leads, and not when {@link transferee} is 0 again. */
  transferTo(replica: ReplicaId): TransferStart | "notLeader" {
    return this.leadership?.transferTo(replica) ?? "notLeader";
  }

  /** The eligible replica that could lead soonest, or 0. Known to the leader alone. */
  successor(eligible: (replica: ReplicaId) => boolean): ReplicaId {
    return this.leadership?.successor(eligible) ?? 0;
  }

  /**
   * The state machine here has stopped, so another replica should lead. Vote and log are as good as before, and where the
   * others lack entries that this log has, it must lead for as long as it takes to send them.
   */
  avoidLeading(): void {
    this.reluctant = true;
  }

  /** Asks for the index that a linearizable read must see; answered in the effects. @returns false when not leader */
  read(id: ReadId): boolean {
    if (this.leadership === undefined) return false;
    this.leadership.read(id);
    return true;
  }

  /** The host begins a turn: what is proposed in it was asked for before `nowMs`. */
  beginTurn(nowMs: number): void {
    this.leaseTime.observe(nowMs);
  }

  /** Time passed. A pause of this process counts as one heartbeat interval at most: what came in meanwhile is read first. */
  tick(nowMs: number, joinsBeat = false): void {
    const countedMs = Math.min(Math.max(0, nowMs - this.lastTickMs), this.options.heartbeatIntervalMs);
    this.lastTickMs = nowMs;
    this.leaseTime.observe(nowMs);
    this.sinceLeaderMs += countedMs;
    if (this.leadership !== undefined) {
      if (!this.leadership.tick(nowMs, countedMs, joinsBeat)) this.becomeFollower(this.term, 0);
      return;
    }
    this.electionElapsedMs += countedMs;
    const patience = this.reluctant ? RELUCTANCE : 1;
    if (this.electionElapsedMs >= this.electionTimeoutMs * patience && this.mayStand) this.campaign("preVote");
  }

  /**
   * A message from another replica of this group. Whether our configuration knows it does not matter: ours may be the older
   * one, and who asks for votes or leads by a newer one must be heard (thesis §4.1).
   */
  step(message: Message): void {
    if (message.to !== this.options.self || message.from === this.options.self) return;
    if (message.term > this.term && !this.enterTerm(message)) return;
    if (message.term < this.term) {
      const answer = answerToLowerTerm(message, this.envelope(message.from));
      if (answer !== undefined) this.outbox.send(answer);
      return;
    }
    switch (message.type) {
      case "preVoteRequest":
        this.preVoteRequest(message);
        return;
      case "voteRequest":
        this.voteRequest(message);
        return;
      case "preVoteReply":
      case "voteReply":
        this.countVote(message.type === "voteReply" ? "vote" : "preVote", message.from, message.term, message.granted);
        return;
      case "append":
        this.hearLeader(message.from, message.leaseTimeMs);
        this.append(message);
        return;
      case "heartbeat":
        this.hearLeader(message.from, message.leaseTimeMs);
        this.heartbeat(message);
        return;
      case "appendReply":
        this.leadership?.appendReply(message, this.lastTickMs);
        return;
      case "heartbeatReply":
        this.leadership?.heartbeatReply(message, this.lastTickMs);
        return;
      case "timeoutNow":
        this.timeoutNow(message);
        return;
      case "snapshotChunk":
        this.hearLeader(message.from, message.snapshot.leaseTimeMs);
        this.snapshots.receive(message);
        return;
      case "snapshotReply":
        this.leadership?.snapshotReply(message, this.lastTickMs);
        return;
      default:
        unreachable(message);
    }
  }

  /** A follower whose disk has no room for entries is sent none, but for those that open a term. */
  hold(replica: ReplicaId, held: boolean): void {
    this.leadership?.hold(replica, held);
  }

  disconnected(replica: ReplicaId): void {
    this.leadership?.disconnected(replica);
  }

  /** What a flush of the effects taken now will have written. */
  flushMark(): FlushMark {
    return {
      lastIndex: this.log.lastIndex,
      lastTerm: this.log.lastTerm,
      hardStateChanges: this.outbox.hardStateChanges,
    };
  }

  /** The flush, and all before it, is durable. */
  persisted(mark: FlushMark): void {
    this.outbox.persistedHardState(mark.hardStateChanges);
    this.log.markDurable(mark.lastIndex, mark.lastTerm);
    this.leadership?.advanceCommit();
  }

  /** What a leader alone can say. */
  get leads(): Pick<Leadership, "isBeatDue" | "hasMoreToSend"> | undefined {
    return this.leadership;
  }

  /**
   * Whether a message that waited for its flush still holds. Of an earlier term it does not: what it speaks of may have
   * been truncated before it was ever written (PROTOCOLS D2). ↯ Entry 59 of term 1 waits for a slow disk, the leader of
   * term 2 truncates it, and then one flush with both goes through: the answer to the old leader would claim 59.
   */
  stillHolds(message: Message): boolean {
    return message.term >= this.term;
  }

  takeEffects(nowMs: number): Effects {
    this.leadership?.replicate(nowMs);
    if (this.leadership?.isOver === true) this.becomeFollower(this.term, 0);
    this.snapshots.proceed();
    return this.outbox.take();
  }

  /**
   * A message of a later term. A vote request that a healthy leader's follower must refuse, and everything about
   * pre-votes, changes no term (PROTOCOLS R1).
   *
   * @returns false when the message is to be dropped
   */
  private enterTerm(message: Message): boolean {
    switch (message.type) {
      case "preVoteRequest":
        this.preVoteRequest(message);
        return false;
      case "preVoteReply":
        // Granted: `term` is the one we probe. Refused: the replier is ahead of us.
        if (message.granted) this.countVote("preVote", message.from, message.term, true);
        else this.becomeFollower(message.term, 0);
        return false;
      case "voteRequest":
        if (this.hearsLeader() && message.transfer !== true) return false;
        this.becomeFollower(message.term, 0);
        return true;
      case "append":
      case "heartbeat":
      case "voteReply":
      case "appendReply":
      case "heartbeatReply":
      case "timeoutNow":
      case "snapshotChunk":
      case "snapshotReply":
        this.becomeFollower(message.term, 0);
        return true;
      default:
        return unreachable(message);
    }
  }

  private preVoteRequest(message: PreVoteRequest): void {
    const granted =
      message.term > this.term && !this.hearsLeader() && this.ballot.favours(message.lastIndex, message.lastTerm);
    const term = granted ? message.term : this.term;
    this.outbox.send({ type: "preVoteReply", ...this.envelope(message.from), term, granted });
  }

  private voteRequest(message: VoteRequest): void {
    const free = this.vote === message.from || (this.vote === 0 && this.knownLeader === 0);
    const granted = free && this.ballot.favours(message.lastIndex, message.lastTerm);
    if (granted) {
      this.ballot.give(message.from);
      this.restartElectionTimer();
    }
    this.outbox.send({ type: "voteReply", ...this.envelope(message.from), granted });
  }

  private countVote(phase: Election["phase"], from: ReplicaId, term: number, granted: boolean): void {
    const election = this.election;
    if (election === undefined || election.phase !== phase) return;
    if (granted && term !== election.term) return;
    election.count(from, granted);
    this.concludeElection(election);
  }

  private concludeElection(election: Election): void {
    if (election.won) {
      if (election.phase === "preVote") this.campaign("vote");
      else this.becomeLeader();
    } else if (election.lost) this.becomeFollower(this.term, 0);
  }

  /**
   * The leader hands over: stand at once, without asking first whether anybody would vote (thesis §3.10). Nothing rests on
   * this message being right: whoever lacks what is committed gets no majority. It is heeded from the leader of our term
   * alone, so a copy that comes late, when our own election has ended that term, does nothing.
   */
  private timeoutNow(message: TimeoutNow): void {
    const heeds = this.mayStand && !this.reluctant && !this.snapshots.isInstalling;
    if (message.from === this.knownLeader && heeds) this.campaign("vote", true);
  }

  private campaign(phase: Election["phase"], transfer = false): void {
    this.restartElectionTimer();
    this.currentRole = "candidate";
    this.knownLeader = 0;
    this.sinceLeaderMs = Number.POSITIVE_INFINITY;
    if (phase === "vote") this.ballot.stand(this.options.self);
    const term = phase === "vote" ? this.term : this.term + 1;
    const { voters } = this.configuration;
    const election = new Election(phase, term, voters);
    this.election = election;
    const { lastIndex, lastTerm } = this.log;
    for (const to of voters) {
      if (to === this.options.self) continue;
      const candidacy = { ...this.envelope(to), term, lastIndex, lastTerm };
      if (phase === "preVote") this.outbox.send({ type: "preVoteRequest", ...candidacy });
      else this.outbox.send({ type: "voteRequest", ...candidacy, ...(transfer && { transfer }) });
    }
    election.count(this.options.self, true);
    this.concludeElection(election);
  }

  private becomeLeader(): void {
    this.election = undefined;
    this.currentRole = "leader";
    this.knownLeader = this.options.self;
    this.leaseTime.resume(this.term, { term: this.log.lastTerm, leaseTimeMs: this.log.lastLeaseTimeMs });
    this.leadership = new Leadership(this.term, this.options, this.log, this.outbox, this.leaseTime, this.lastTickMs);
  }

  private becomeFollower(term: number, leader: ReplicaId): void {
    assert(term >= this.term, "the term never falls");
    if (this.leadership !== undefined) {
      for (const id of this.leadership.unansweredReads()) this.outbox.readFailed(id);
      this.leadership = undefined;
      this.leaseTime.stop();
      this.restartElectionTimer();
    }
    if (term > this.term) this.ballot.enter(term);
    this.currentRole = "follower";
    this.election = undefined;
    this.knownLeader = leader;
    if (leader === 0) this.sinceLeaderMs = Number.POSITIVE_INFINITY;
  }

  private hearLeader(from: ReplicaId, leaseTimeMs: number): void {
    const others = this.leadership !== undefined || (this.knownLeader !== 0 && this.knownLeader !== from);
    assert(!others, "a term has one leader");
    if (this.currentRole !== "follower" || this.knownLeader !== from) this.becomeFollower(this.term, from);
    this.sinceLeaderMs = 0;
    this.electionElapsedMs = 0;
    this.electionTimeoutMs = successionTimeoutMs(this.options, this.configuration.voters, from);
    this.leaseTime.heard(leaseTimeMs, this.term);
  }

  private append(message: AppendRequest): void {
    const envelope = this.envelope(message.from);
    if (message.prevIndex >= this.log.compacted.index && this.log.term(message.prevIndex) !== message.prevTerm) {
      this.outbox.send(refused(envelope, this.log, message, this.repairing));
      return;
    }
    const index = this.appendEntries(message);
    this.refilled();
    // A full disk is silent: an answer would only bring the same entries again, at once.
    if (index === message.prevIndex && message.entries.length > 0) return;
    this.log.commitTo(Math.min(message.commitIndex, index));
    const reply = accepted(envelope, index, this.repairing);
    // PROTOCOLS D2: the reply covers only what is durable here, duplicates included.
    if (index <= this.log.durableIndex) this.outbox.send(reply);
    else this.outbox.sendAfterFlush(reply);
  }

  /**
   * Appends what is new. What the log has no room for is as if it had not come (PROTOCOLS D9), and all behind it.
   *
   * @returns the highest index that now equals the leader's log
   */
  private appendEntries({ prevIndex, entries }: AppendRequest): number {
    const compactedIndex = this.log.compacted.index;
    let index = Math.max(prevIndex, compactedIndex);
    for (const entry of entries) {
      // Committed, and so the same in every leader's log, though forgotten here.
      if (entry.index <= compactedIndex) continue;
      const known = this.log.term(entry.index);
      if (known !== entry.term) {
        if (!this.options.room.take(entry.kind, entry.payload.length)) return index;
        if (known !== undefined) {
          this.log.truncate(entry.index);
          this.outbox.truncate(entry.index);
        }
        this.log.append(entry);
        this.outbox.append(entry);
      }
      index = entry.index;
    }
    return index;
  }

  private heartbeat(message: Heartbeat): void {
    this.log.commitTo(Math.min(message.commitIndex, this.log.lastIndex));
    const { round, commitIndex, term } = message;
    const envelope = this.envelope(message.from);
    if (round > 0) this.outbox.send({ type: "heartbeatReply", ...envelope, round });
    // ↯ An idle leader that had our acknowledgement of all its entries sends none, and never hears that they are lost.
    if (!this.repairing || commitIndex <= this.log.lastIndex) return;
    this.outbox.send(refused(envelope, this.log, { prevIndex: commitIndex, prevTerm: term }, true));
  }

  private get mayStand(): boolean {
    return !this.repairing && isCandidate(this.log, this.options.self);
  }

  /** Within the minimum election time-out of a leader's word, or leading: an election would only disturb (R1). */
  private hearsLeader(): boolean {
    return this.leadership !== undefined || this.sinceLeaderMs < this.options.electionTimeoutMs;
  }

  private restartElectionTimer(): void {
    this.electionElapsedMs = 0;
    this.electionTimeoutMs = this.drawElectionTimeout();
  }

  private drawElectionTimeout(): number {
    return this.options.electionTimeoutMs * (1 + this.options.random());
  }

  private envelope(to: ReplicaId): { group: number; from: ReplicaId; to: ReplicaId; term: number } {
    return { group: this.options.group, from: this.options.self, to, term: this.term };
  }
}
