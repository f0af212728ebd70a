import type { Proposed } from "../raft/leadership.ts";
import type { ChunkOrder, Effects } from "../raft/outbox.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupId, ReplicaId, Snapshot, SnapshotChunk } from "../raft/types.ts";
import { Applier } from "./applier.ts";
import type { ApplyJournal } from "./apply-journal.ts";
import { GroupDisks } from "./group-disks.ts";
import type { SnapshotMade } from "./snapshot-maker.ts";
import type { GroupServices } from "./group-services.ts";
import { GroupSnapshots } from "./group-snapshots.ts";
import type { GroupStop } from "./group-stop.ts";
import { LeaderEntries } from "./leader-entries.ts";
import { Membership, type MembershipDone, type MembershipServices } from "./membership.ts";
import type { MembershipChange } from "./membership-change.ts";
import { type Members, MembersInForce } from "./members.ts";
import type { Ingress, Tried } from "./ingress.ts";
import type { ForwardedProposal, PeerMessage, ProposalRefusal, RefusedAttempt } from "./peer-messages.ts";
import type { BarrierDone, ReadBarriers } from "./read-barriers.ts";
import { ReadQuestions } from "./read-questions.ts";
import type { SnapshotPace } from "./snapshot-taker.ts";
import { StateExchange } from "./state-exchange.ts";
import type { StateMachine } from "./state-machine.ts";
import type { TransferEnd, Transfers } from "./transfers.ts";

/** How a group applies its log, and compares what comes of it. */
export interface ApplyOptions {
  readonly journal: ApplyJournal;
  /** Between two entries after which replicas compare their states: the same on all of them. */
  readonly stateHashEvery: number;
  readonly snapshotPace: SnapshotPace;
}

/** Forwarded proposals of one message, in bytes. */
const FORWARD_BYTES = 256 * 1024;
const EMPTY = new Uint8Array(0);

/** One consensus group on one node: its replica, its state machine, and the requests that this node took in for it. */
export class GroupHost<Command, Result> {
  private seenTerm = 0;
  private seenLeader: ReplicaId = 0;
  /** Whom this replica knew as leader last, also while it knows none. */
  private lastLeader: ReplicaId = 0;
  private readonly disks: GroupDisks;
  private readonly entries: LeaderEntries;
  private readonly questions: ReadQuestions;
  /** The ingress that forwards to us from each peer, and its last attempt: each is proposed or refused once. */
  private readonly attempts = new Map<ReplicaId, { readonly ingress: number; last: number }>();
  private refilling: boolean;
  private readonly applier: Applier<Result>;
  private readonly snapshots: GroupSnapshots;
  private readonly exchange: StateExchange;
  private readonly membership: Membership;
  private readonly inForce: MembersInForce;
  private members: Members;
  /** Position among the voters of whom a leader that has stopped asked last to take over. */
  private askedAt = 0;

  constructor(
    readonly group: GroupId,
    readonly raft: Raft,
    readonly machine: StateMachine<Result>,
    readonly ingress: Ingress<Command, Result>,
    readonly barriers: ReadBarriers,
    private readonly transfers: Transfers,
    private readonly services: GroupServices,
    { journal, stateHashEvery: every, snapshotPace: pace }: ApplyOptions,
  ) {
    this.inForce = new MembersInForce(raft);
    this.members = this.inForce.current;
    this.disks = new GroupDisks(services.self, services.disk);
    this.entries = new LeaderEntries(raft, machine, this.disks, services);
    this.questions = new ReadQuestions(raft, services.statistics, (...answer) => this.answerRead(...answer));
    this.refilling = raft.repairing;
    this.exchange = new StateExchange({
      ...{ group, self: services.self, formula: machine.stateHashFormula, every },
      send: (peer, message) => services.send(peer, message),
      onDecided: (stop) => this.applier.stop(stop),
    });
    this.applier = new Applier({
      ...{ group, log: raft.log, machine, journal, checkpointEvery: every, supportedLevel: services.features.own },
      onOutcome: this.emit,
      onCheckpoint: (index) => this.checkpoint(index),
      onStopped: (stop) => this.stop(stop),
      nowMs: () => services.nowMs(),
    });
    this.exchange.follow(this.members.configuration);
    this.disks.follow(this.members.configuration);
    this.membership = new Membership(raft, this.membershipServices(), ingress.identity);
    const { log, snapshots, statistics } = services;
    this.snapshots = new GroupSnapshots({
      ...{ group, raft, machine, log, pace, statistics, ...snapshots },
      appliedBytes: () => this.applier.appliedBytes,
      nowMs: () => services.nowMs(),
      wake: () => services.wake(),
      news: (news) => services.snapshotNews(group, news),
      jumped: () => this.jumped(),
      failed: (error) => services.fail(error),
    });
  }

  /** Who belongs to the group, now. The same object until something changes. */
  followMembers(): Members {
    const { current } = this.inForce;
    if (current.configuration !== this.members.configuration) {
      this.services.statistics.configurationChanges++;
      this.exchange.follow(current.configuration);
      this.disks.follow(current.configuration);
    }
    this.members = current;
    return current;
  }

  /** Entries wait to be applied, or a leader's snapshot to be restored. */
  get isApplying(): boolean {
    return this.applier.hasMore || this.raft.snapshots.isInstalling;
  }

  /** Why this replica applies and serves nothing any more; undefined: it does. */
  get stopped(): GroupStop | undefined {
    return this.applier.stopped;
  }

  /**
   * Counts entries that are written where others were lost.
   *
   * @returns whether these are the last that were missing
   */
  isRefilled(entries: number): boolean {
    if (!this.refilling) return false;
    this.services.statistics.refilledEntries += entries;
    this.refilling = this.raft.repairing;
    return !this.refilling;
  }

  /** Comparisons of the state with that of a majority (PROTOCOLS R8). */
  get stateChecks(): { readonly checks: number; readonly agreedIndex: number } {
    return this.exchange.agreement;
  }

  receive(peer: ReplicaId, message: Exclude<PeerMessage, { type: "disk" | "features" }>): void {
    switch (message.type) {
      case "raft":
        this.raft.step(message.message);
        this.noticeLeader();
        return;
      case "proposals":
        this.proposeForwarded(peer, message.proposals);
        return;
      case "refused":
        if (message.ingress === this.ingress.identity) {
          this.ingress.refused(message.attempts, message.reason, this.services.nowMs());
        }
        return;
      case "readRequest":
        if (!this.questions.ask(peer, message.id)) this.answerRead(peer, message.id, 0);
        return;
      case "readReply":
        if (message.index > 0) this.barriers.answered(message.id, message.index);
        else this.barriers.refused(message.id, this.services.nowMs());
        return;
      case "stateHash":
        this.exchange.heard(peer, message);
        return;
      case "transferRequest":
        this.transferFor(peer, message.id, message.to);
        return;
      case "membershipRequest":
        this.membership.asked(peer, message, this.services.nowMs());
        return;
      case "membershipReply":
        this.membership.answered(message, this.services.nowMs());
        return;
      case "transferRefused":
        this.transfers.refused(message.id, message.reason);
        return;
    }
  }

  /** @param joinsBeat see {@link Raft.tick} */
  tick(nowMs: number, joinsBeat: boolean): void {
    this.raft.tick(nowMs, joinsBeat);
    this.noticeLeader();
    this.ingress.sweep(nowMs);
    this.barriers.sweep(nowMs);
    this.transfers.sweep(nowMs);
    this.membership.tick(nowMs);
    this.snapshots.tick(nowMs, this.stopped === undefined);
    if (this.stopped !== undefined) this.tickStopped(nowMs);
    else this.entries.raiseFeatureLevel();
  }

  /** What the disks of this node and of its peers mean for a leader (PROTOCOLS D9). */
  mindDisks(nowMs: number): void {
    if (this.raft.role !== "leader") return;
    const to = this.disks.mind(this.raft, nowMs, (replica) => this.services.isConnected(replica));
    if (to !== 0) this.handOver(to, nowMs, () => {});
  }

  peerConnected(peer: ReplicaId): void {
    // What was meant for it before went nowhere.
    this.raft.disconnected(peer);
    this.exchange.connected(peer);
    if (peer === this.raft.leader) this.askEverythingAgain();
  }

  peerDisconnected(peer: ReplicaId): void {
    this.raft.disconnected(peer);
  }

  readBarrier(nowMs: number, done: BarrierDone): void {
    this.barriers.add(nowMs, done);
  }

  /** Wants a snapshot of all that is applied by now; `done` is called once, in a later turn. */
  takeSnapshot(done: SnapshotMade): void {
    this.snapshots.ask(done);
  }

  /**
   * Hands leadership over, wherever it is now, and tells once how that ended.
   *
   * @param to 0: to whoever would take over soonest
   */
  transferLeadership(to: ReplicaId, nowMs: number, done: (end: TransferEnd) => void): void {
    const { leader } = this.raft;
    if (leader === this.services.self) this.handOver(to, nowMs, done);
    else if (leader === 0 || !this.services.isConnected(leader)) done("notLeader");
    else {
      const id = this.transfers.add(to, nowMs, done);
      if (id !== undefined) this.services.send(leader, { type: "transferRequest", group: this.group, id, to });
    }
  }

  /** Asks the leader, wherever it is, for a change of the members, and tells once how that ended. */
  changeMembers(change: MembershipChange, nowMs: number, done: MembershipDone): void {
    this.membership.request(change, nowMs, done);
  }

  /** Everything taken in is proposed or forwarded; the time entry comes last, so that a keepalive before it still counts (T2). */
  pump(nowMs: number): void {
    if (this.stopped !== undefined) return;
    const leader = this.raft.leader;
    if (leader === this.services.self) this.pumpAsLeader(nowMs);
    else if (leader !== 0 && this.services.isConnected(leader)) this.pumpTo(leader, nowMs);
  }

  /**
   * @param share of what a turn may take (PROTOCOLS D10), 0…1
   * @returns false when another turn should follow: there is more to apply than one should, or a deadline is due still
   */
  apply(share: number): boolean {
    const { log } = this.raft;
    const before = log.appliedIndex;
    this.applier.run(share);
    this.services.statistics.appliedEntries += log.appliedIndex - before;
    const isSettled = this.snapshots.proceed(share);
    log.trimCache();
    this.barriers.applied(log.appliedIndex);
    // Now: a node that is removed is a peer until the end of this turn, and hears how its own request ended.
    this.membership.carryOut(this.services.nowMs());
    const isTimeDue = this.stopped === undefined && this.entries.isTimeDue;
    return isSettled && !this.applier.hasMore && !isTimeDue;
  }

  /** What the core wants done with snapshots; pieces that are to be sent are the engine's. */
  handleSnapshots(effects: Effects): void {
    this.snapshots.carryOut(effects);
  }

  /** See `PieceStored`. */
  snapshotStored(error: Error | undefined, snapshot: Snapshot, bytes: number): void {
    this.snapshots.stored(error, snapshot, bytes);
  }

  /** The piece as a message; undefined: it is not there any more, or another leads. */
  snapshotChunk({ to, term, snapshot, offset, bytes: length }: ChunkOrder): SnapshotChunk | undefined {
    const { raft, group, services } = this;
    if (raft.role !== "leader" || raft.term !== term) return undefined;
    const bytes = length === 0 ? EMPTY : this.snapshots.read(snapshot, offset, length);
    if (bytes === undefined) return undefined;
    services.statistics.snapshotBytesSent += length;
    return { type: "snapshotChunk", group, from: services.self, to, term, snapshot, offset, bytes };
  }

  readReady(id: number, index: number): void {
    this.questions.answered(id, index);
  }

  readFailed(id: number): void {
    this.questions.answered(id, 0);
  }

  private membershipServices(): MembershipServices {
    const { services, group, machine } = this;
    return {
      ...{ self: services.self, group, features: services.features },
      featureLevel: () => machine.featureLevel,
      send: (peer, message) => services.send(peer, message),
      isConnected: (peer) => services.isConnected(peer),
      announced: (replica) => services.announced(replica),
      mayLeave: (replica) => services.mayLeave(group, replica),
      mayVote: (replica) => services.mayVote(group, replica),
      giveWay: () => {
        const to = this.successor();
        if (to !== 0) this.handOver(to, services.nowMs(), () => {});
        return to !== 0;
      },
    };
  }

  private readonly emit = (outcome: { ingress: number; sequence: number; result?: Result }): void => {
    if (outcome.ingress === this.ingress.identity) this.ingress.outcome(outcome.sequence, outcome.result);
  };

  private readonly proposeHere = (operation: ForwardedProposal): Tried => {
    const proposed = this.propose(operation);
    if (proposed === "accepted") return "sent";
    return proposed === "notLeader" ? "unsent" : proposed;
  };

  private readonly askHere = (id: number): boolean => this.questions.ask(this.services.self, id);

  private pumpAsLeader(nowMs: number): void {
    this.ingress.pump(nowMs, this.proposeHere);
    this.barriers.pump(nowMs, this.askHere);
    this.entries.proposeTime();
  }

  private pumpTo(leader: ReplicaId, nowMs: number): void {
    let proposals: ForwardedProposal[] = [];
    let bytes = 0;
    const flush = (): void => {
      if (proposals.length > 0) this.services.send(leader, { type: "proposals", group: this.group, proposals });
      proposals = [];
      bytes = 0;
    };
    this.ingress.pump(nowMs, (operation) => {
      this.services.statistics.forwarded++;
      proposals.push(operation);
      bytes += operation.payload.length;
      if (bytes >= FORWARD_BYTES) flush();
      return "sent";
    });
    flush();
    this.barriers.pump(nowMs, (id) => {
      this.services.send(leader, { type: "readRequest", group: this.group, id });
      return true;
    });
  }

  private checkpoint(index: number): void {
    const hash = this.machine.stateHash();
    this.snapshots.checkpoint(index, hash);
    this.exchange.checkpoint(index, hash, this.raft.log.commitIndex);
  }

  /** A leader's snapshot is in force: of entries that are not applied here any more no outcome comes. */
  private jumped(): void {
    this.applier.jumped();
    if (this.stopped === undefined) this.ingress.outcomesSkipped(this.services.nowMs());
  }

  private stop(stop: GroupStop): void {
    this.raft.avoidLeading();
    this.ingress.giveUp();
    this.barriers.giveUp();
    this.services.groupStopped(this.group, stop);
  }

  private tickStopped(nowMs: number): void {
    if (this.stopped?.reason === "split") this.exchange.repeat(nowMs);
    const { raft, services } = this;
    const { voters } = raft.configuration;
    if (raft.role !== "leader" || raft.transferee !== 0) return;
    // Who has stopped, too, does not take over: then the next one is asked.
    this.askedAt = (this.askedAt + 1) % voters.length;
    const target = voters[this.askedAt] ?? 0;
    if (target !== services.self && services.isConnected(target)) raft.transferTo(target);
  }

  private propose({ payload, reserved }: ForwardedProposal): "accepted" | ProposalRefusal {
    const { disk, statistics } = this.services;
    statistics.proposals++;
    const admission = this.raft.role === "leader" ? this.disks.admission(reserved) : "elsewhere";
    if (admission !== "yes") return admission === "elsewhere" ? "notLeader" : admission;
    const proposed: Proposed = this.raft.propose("command", payload, reserved);
    if (proposed !== "noRoom") return proposed;
    // A segment that is only late will be there soon: the ingress asks again.
    return disk.refusal === undefined ? "notLeader" : "diskFull";
  }

  private proposeForwarded(peer: ReplicaId, proposals: readonly ForwardedProposal[]): void {
    const ingress = proposals[0]?.ingress ?? 0;
    let seen = this.attempts.get(peer);
    if (seen?.ingress !== ingress) this.attempts.set(peer, (seen = { ingress, last: 0 }));
    const refusals = new Map<ProposalRefusal, RefusedAttempt[]>();
    for (const proposal of proposals) {
      // A second copy could be taken after the first was refused: then the refusal was no definite one.
      if (proposal.attempt <= seen.last) continue;
      seen.last = proposal.attempt;
      const proposed = this.propose(proposal);
      if (proposed === "accepted") continue;
      const attempts = refusals.get(proposed);
      if (attempts === undefined) refusals.set(proposed, [proposal]);
      else attempts.push(proposal);
    }
    for (const [reason, attempts] of refusals) {
      this.services.send(peer, { type: "refused", group: this.group, reason, ingress, attempts });
    }
  }

  private transferFor(peer: ReplicaId, id: number, to: ReplicaId): void {
    this.handOver(to, this.services.nowMs(), (end) => {
      // That it worked the peer sees by itself.
      if (end === "transferred") return;
      this.services.send(peer, { type: "transferRefused", group: this.group, id, reason: end });
    });
  }

  private handOver(to: ReplicaId, nowMs: number, done: (end: TransferEnd) => void): void {
    const { raft, services } = this;
    const before = raft.transferee;
    const target = to !== 0 ? to : before !== 0 ? before : this.successor();
    if (raft.role !== "leader") done("notLeader");
    else if (to === services.self) done("transferred");
    else if (target === 0 || !services.isConnected(target)) done("unreachable");
    else {
      const start = raft.transferTo(target);
      if (start !== "started") done(start === "unknown" ? "notVoter" : start);
      else {
        if (before === 0) this.transfers.begun();
        if (before === 0) services.handingOver(this.group, raft.term, target);
        this.transfers.add(to, nowMs, done);
      }
    }
  }

  private successor(): ReplicaId {
    return this.disks.successor(this.raft, (replica) => this.services.isConnected(replica));
  }

  private answerRead(peer: ReplicaId, id: number, index: number): void {
    if (peer !== this.services.self) {
      this.services.send(peer, { type: "readReply", group: this.group, id, index });
    } else if (index > 0) this.barriers.answered(id, index);
    else this.barriers.refused(id, this.services.nowMs());
  }

  private noticeLeader(): void {
    const { term, leader } = this.raft;
    if (term === this.seenTerm && leader === this.seenLeader) return;
    if (leader !== 0) {
      this.transfers.leads(leader, this.lastLeader);
      this.lastLeader = leader;
    }
    if (leader !== this.seenLeader && leader !== 0) this.services.statistics.leaderChanges++;
    this.seenTerm = term;
    this.seenLeader = leader;
    this.entries.leaderChanged();
    this.services.leaderChanged(this.group, term, leader);
    if (leader !== 0) this.askEverythingAgain();
  }

  private askEverythingAgain(): void {
    this.membership.leaderChanged(this.services.nowMs());
    this.ingress.repropose();
    this.barriers.leaderChanged();
  }
}
