import { MEMBERSHIP_LEVEL } from "../kernel/feature-level.ts";
import type { Raft } from "../raft/raft.ts";
import type { Configuration, GroupId, NodeFacts, ReplicaId } from "../raft/types.ts";
import type { FeatureLevels } from "./feature-levels.ts";
import {
  type MembershipChange,
  type MembershipEnd,
  nextReplica,
  nextStep,
  promoted,
  withAnnounced,
} from "./membership-change.ts";
import type { PeerMessage } from "./peer-messages.ts";

/** What the membership of a group needs around it. */
export interface MembershipServices {
  readonly self: ReplicaId;
  readonly group: GroupId;
  readonly features: FeatureLevels;
  /** In force in this group. */
  featureLevel(): number;
  send(peer: ReplicaId, message: PeerMessage): void;
  isConnected(peer: ReplicaId): boolean;
  /** What a node says of itself: this one, or one that is connected. */
  announced(replica: ReplicaId): NodeFacts | undefined;
  /** Whether nothing else holds the replica any more; it is told to let go. */
  mayLeave(replica: ReplicaId): boolean;
  /** Whether a learner that has caught up may count. */
  mayVote(replica: ReplicaId): boolean;
  /** Lets another replica lead, soon. @returns false when nobody could */
  giveWay(): boolean;
}

export type MembershipDone = (end: MembershipEnd) => void;

/** Of a leader, by whoever was asked. */
export interface MembershipQuestion {
  readonly id: number;
  /** In which the leader was asked: whoever leads another one is asked anew. */
  readonly term: number;
  /** A leader of an earlier term was asked, too: if it let the node in, then as a replica from here on. 0: none was. */
  readonly triedFrom: ReplicaId;
  readonly change: MembershipChange;
}

export interface MembershipAnswer {
  readonly id: number;
  readonly term: number;
  readonly end: MembershipEnd;
}

/** Asked for at this node, and carried out by whoever leads. */
interface Request {
  readonly id: number;
  readonly change: MembershipChange;
  readonly done: MembershipDone;
  readonly createdAtMs: number;
  /** Of the leader that was asked last; 0: none was. */
  askedTerm: number;
  /** The next replica when it was asked for, as far as was committed here. */
  readonly nextReplica: ReplicaId;
  /** See {@link MembershipQuestion.triedFrom}. */
  triedFrom: ReplicaId;
  askAtMs: number;
}

/** What this leader is carrying out, for itself or for a peer. */
interface Work {
  readonly peer: ReplicaId;
  readonly question: MembershipQuestion;
  readonly createdAtMs: number;
  /** It was to remove this leader, which tried to let another lead first. */
  gaveWay: boolean;
  /** It is in the log, and may commit. */
  proposed: boolean;
}

/** A change waits for another one, and for a leader, at most so long. */
export const MEMBERSHIP_WAIT_MS = 8_000;
/** A leader says so earlier, so that whoever asked hears why. */
const WORK_MS = 6_000;
/** Asked again after so long: the question or its answer may have been lost. */
const ASK_AGAIN_MS = 500;
/** Asked for by people, and by nodes that join. */
const MAX_REQUESTS = 64;
/** Far more than come while the copy of a question can be under way. */
const MAX_ENDED = 256;

/**
 * Who belongs to a group, and how that changes: what is asked for, and what follows of itself. One change at a time (PROTOCOLS
 * R5), and each derived from the configuration in force (R6), so that it does not matter which leader carries it out.
 */
export class Membership {
  private requests: Request[] = [];
  private work: Work[] = [];
  /** How the questions of this term ended, by asker and number, the oldest first. */
  private readonly ended = new Map<string, MembershipEnd>();
  private endedTerm = 0;
  private nextId: number;

  /** @param seed of this process alone: an answer to its predecessor must not answer us */
  constructor(
    private readonly raft: Raft,
    private readonly services: MembershipServices,
    seed: number,
  ) {
    this.nextId = Math.floor(seed / 2) + 1;
  }

  /** Tells once how it ended. */
  request(change: MembershipChange, nowMs: number, done: MembershipDone): void {
    if (this.requests.length >= MAX_REQUESTS) {
      done({ type: "busy", replica: 0 });
      return;
    }
    const { configurations, commitIndex } = this.raft.log;
    const from = { nextReplica: nextReplica(configurations.at(commitIndex)), triedFrom: 0 };
    const request = { id: this.nextId++, change, done, createdAtMs: nowMs };
    this.requests.push({ ...request, ...from, askedTerm: 0, askAtMs: nowMs });
    this.ask(nowMs);
  }

  /** A peer asks this replica, as the leader. */
  asked(peer: ReplicaId, question: MembershipQuestion, nowMs: number): void {
    const { raft } = this;
    if (this.work.some((work) => work.peer === peer && work.question.id === question.id)) return;
    // ↯ Asked in term 5, the question comes late, when its sender has been told by the leader of term 6 that the node was added and has
    // removed it again: it is added once more.
    if (raft.role !== "leader" || question.term !== raft.term) {
      this.answer(peer, question, { type: "notLeader", replica: 0 }, nowMs);
      return;
    }
    const before = this.endOf(peer, question);
    if (before !== undefined) this.answer(peer, question, before, nowMs);
    // Without an answer when there is no room: it is asked again. ↯ It is refused, which is definite, and its copy finds room.
    else if (this.work.length < MAX_REQUESTS) {
      this.work.push({ peer, question, createdAtMs: nowMs, gaveWay: false, proposed: false });
      this.carryOut(nowMs);
    }
  }

  answered({ id, term, end }: MembershipAnswer, nowMs: number): void {
    const request = this.requests.find((each) => each.id === id);
    if (request === undefined) return;
    // ↯ The leader of term 5 refuses, is deposed, and its answer is late; the one of term 6 was asked meanwhile, and does it.
    if (term !== request.askedTerm && end.type !== "done") return;
    if (end.type === "notLeader") {
      request.askAtMs = nowMs + ASK_AGAIN_MS / 5;
      return;
    }
    this.finish(request, end);
  }

  private finish(request: Request, end: MembershipEnd): void {
    this.requests = this.requests.filter((each) => each !== request);
    request.done(end);
  }

  /** Whoever leads now is asked. */
  leaderChanged(nowMs: number): void {
    for (const request of this.requests) request.askAtMs = nowMs;
    this.ask(nowMs);
  }

  tick(nowMs: number): void {
    this.expire(nowMs);
    this.ask(nowMs);
    this.carryOut(nowMs);
    this.proceed();
  }

  private ask(nowMs: number): void {
    const { raft, services } = this;
    const { leader, term } = raft;
    for (const request of this.requests.filter(({ askAtMs }) => askAtMs <= nowMs)) {
      request.askAtMs = nowMs + ASK_AGAIN_MS;
      if (leader === 0 || !this.understands(leader)) continue;
      if (request.askedTerm !== 0 && request.askedTerm !== term) request.triedFrom = request.nextReplica;
      request.askedTerm = term;
      const { id, triedFrom, change } = request;
      const question = { id, term, triedFrom, change };
      if (leader === services.self) this.asked(leader, question, nowMs);
      else services.send(leader, { type: "membershipRequest", group: services.group, ...question });
    }
  }

  private understands(leader: ReplicaId): boolean {
    const { self, features } = this.services;
    if (leader === self) return true;
    return this.services.isConnected(leader) && features.knows(leader, MEMBERSHIP_LEVEL);
  }

  private expire(nowMs: number): void {
    for (const request of this.requests.filter(({ createdAtMs }) => nowMs - createdAtMs >= MEMBERSHIP_WAIT_MS)) {
      const type = request.askedTerm === 0 ? this.unsentEnd : "timedOut";
      this.finish(request, { type, replica: this.raft.leader });
    }
  }

  private get unsentEnd(): MembershipEnd["type"] {
    const { leader } = this.raft;
    return leader !== 0 && this.services.isConnected(leader) ? "outdated" : "timedOut";
  }

  /** Goes on with what was asked for, as far as it can at once. */
  carryOut(nowMs: number): void {
    if (this.work.length === 0) return;
    for (const work of [...this.work]) {
      const end = this.step(work, nowMs);
      if (end === undefined) continue;
      this.work = this.work.filter((each) => each !== work);
      this.remember(work, end);
      this.answer(work.peer, work.question, end, nowMs);
    }
  }

  /** @returns how it ended; undefined: it goes on */
  private step(work: Work, nowMs: number): MembershipEnd | undefined {
    const { raft, services } = this;
    const { self } = services;
    const { change, term } = work.question;
    if (raft.role !== "leader" || raft.term !== term) return { type: "notLeader", replica: 0 };
    const isLate = nowMs - work.createdAtMs >= WORK_MS;
    // ↯ It waits for slow disks itself, is said to be in its own way, which is definite (PROTOCOLS Q2), and commits.
    if (!this.isIdle) return isLate ? unfinished(work.question, work.proposed) : undefined;
    if (services.featureLevel() < MEMBERSHIP_LEVEL) {
      if (nowMs - work.createdAtMs < WORK_MS / 2) return undefined;
      return { type: "outdated", replica: services.features.lagging(raft.configuration, self, MEMBERSHIP_LEVEL) };
    }
    // ↯ Of two that remain one is under repair: when the other one restarts, nobody can be elected ever after (PROTOCOLS D7).
    const isSound = (replica: ReplicaId): boolean =>
      replica === self || (services.isConnected(replica) && raft.follower(replica)?.repairing !== true);
    const next = nextStep(change, raft.configuration, isSound);
    if (next.type === "end" && next.end.type === "done") return next.end;
    if (isInDoubt(work.question, raft.configuration)) return { type: "timedOut", replica: 0 };
    if (next.type === "end") return next.end;
    // ↯ The disk is full for an hour, and then nodes leave that somebody gave up to remove long ago.
    if (isLate) return unfinished(work.question, work.proposed);
    if (change.type === "remove" && change.replica === self && !work.gaveWay) {
      work.gaveWay = true;
      if (services.giveWay()) return undefined;
    }
    // ↯ A node is removed and stops, and a shard that has it as one of two voters never commits anything again (PROTOCOLS R6).
    if (change.type === "remove" && !services.mayLeave(change.replica)) return undefined;
    if (raft.proposeConfiguration(next.configuration) === "accepted") work.proposed = true;
    return undefined;
  }

  /** What follows of itself: facts that nodes tell, and learners that have caught up. */
  private proceed(): void {
    const { raft, services } = this;
    if (raft.role !== "leader" || !this.isIdle || services.featureLevel() < MEMBERSHIP_LEVEL) return;
    const { configuration } = raft;
    const told = withAnnounced(configuration, (replica) => services.announced(replica));
    if (told !== undefined) {
      raft.proposeConfiguration(told);
      return;
    }
    for (const learner of configuration.learners) {
      if (!services.isConnected(learner) || !raft.isCaughtUp(learner) || !services.mayVote(learner)) continue;
      // ↯ A program that is behind joins, applies nothing, and takes the place of a voter that serves (PROTOCOLS R7).
      if (!services.features.knows(learner, services.featureLevel())) continue;
      raft.proposeConfiguration(promoted(configuration, learner));
      return;
    }
  }

  /** Nothing that was begun is open. */
  private get isIdle(): boolean {
    const { raft } = this;
    const { configurations, commitIndex } = raft.log;
    return raft.established && raft.transferee === 0 && configurations.current.index <= commitIndex;
  }

  private answer(peer: ReplicaId, { id, term }: MembershipQuestion, end: MembershipEnd, nowMs: number): void {
    const { self, group } = this.services;
    if (peer === self) this.answered({ id, term, end }, nowMs);
    else this.services.send(peer, { type: "membershipReply", group, id, term, end });
  }

  /** A question whose copy comes late has ended. ↯ It was refused, which is definite, and its copy is carried out. */
  private endOf(peer: ReplicaId, { id }: MembershipQuestion): MembershipEnd | undefined {
    if (this.endedTerm !== this.raft.term) this.ended.clear();
    this.endedTerm = this.raft.term;
    return this.ended.get(`${peer} ${id}`);
  }

  private remember({ peer, question }: Work, end: MembershipEnd): void {
    if (this.endedTerm !== question.term) return;
    this.ended.set(`${peer} ${question.id}`, end);
    const [oldest] = this.ended.keys();
    if (this.ended.size > MAX_ENDED && oldest !== undefined) this.ended.delete(oldest);
  }
}

/**
 * Given up. Definite only where no leader has proposed it: what an earlier one proposed may still commit (PROTOCOLS Q2). What is
 * refused between two changes is definite all the same: an entry of ours then has committed, and none of an earlier term comes after.
 */
function unfinished({ triedFrom }: MembershipQuestion, proposed: boolean): MembershipEnd {
  return { type: proposed || triedFrom !== 0 ? "timedOut" : "busy", replica: 0 };
}

/**
 * An earlier leader may have let the node in, for all that the configuration tells. Then it is neither let in nor refused.
 *
 * ↯ The leader of term 5 lets X in as replica 4, and dies before it says so; X is removed; the leader of term 6, asked the same, lets
 * X in once more, as replica 5. Or X has begun to count meanwhile, or others have taken all places: what was done is refused, which
 * is definite (PROTOCOLS Q2). A removal is in no doubt: who is a member yet was not removed, and no replica comes back.
 */
function isInDoubt({ change, triedFrom }: MembershipQuestion, configuration: Configuration): boolean {
  return change.type === "add" && triedFrom !== 0 && nextReplica(configuration) > triedFrom;
}
