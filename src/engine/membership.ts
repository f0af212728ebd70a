import { MEMBERSHIP_LEVEL } from "../kernel/feature-level.ts";
import type { Raft } from "../raft/raft.ts";
import type { GroupId, NodeFacts, ReplicaId } from "../raft/types.ts";
import type { FeatureLevels } from "./feature-levels.ts";
import { type MembershipChange, type MembershipEnd, nextStep, promoted, withAnnounced } from "./membership-change.ts";
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
  /** Lets another replica lead, soon. @returns false when nobody could */
  giveWay(): boolean;
}

export type MembershipDone = (end: MembershipEnd) => void;

/** Asked for at this node, and carried out by whoever leads. */
interface Request {
  readonly id: number;
  readonly change: MembershipChange;
  readonly done: MembershipDone;
  readonly createdAtMs: number;
  /** A leader may have it. */
  sent: boolean;
  askAtMs: number;
}

/** What this leader is carrying out, for itself or for a peer. */
interface Work {
  readonly peer: ReplicaId;
  readonly id: number;
  readonly change: MembershipChange;
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

/**
 * Who belongs to a group, and how that changes: what is asked for, and what follows of itself. One change at a time (PROTOCOLS
 * R5), and each derived from the configuration in force (R6), so that it does not matter which leader carries it out.
 */
export class Membership {
  private requests: Request[] = [];
  private work: Work[] = [];
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
    this.requests.push({ id: this.nextId++, change, done, createdAtMs: nowMs, sent: false, askAtMs: nowMs });
    this.ask(nowMs);
  }

  /** A peer asks this replica, as the leader. */
  asked(peer: ReplicaId, id: number, change: MembershipChange, nowMs: number): void {
    if (this.work.some((work) => work.peer === peer && work.id === id)) return;
    if (this.raft.role !== "leader" || this.work.length >= MAX_REQUESTS) {
      const type = this.raft.role === "leader" ? "busy" : "notLeader";
      this.answer({ peer, id }, { type, replica: 0 }, nowMs);
      return;
    }
    this.work.push({ peer, id, change, createdAtMs: nowMs, gaveWay: false, proposed: false });
    this.carryOut(nowMs);
  }

  answered(id: number, end: MembershipEnd, nowMs: number): void {
    const request = this.requests.find((each) => each.id === id);
    if (request === undefined) return;
    if (end.type === "notLeader") {
      request.askAtMs = nowMs + ASK_AGAIN_MS / 5;
      return;
    }
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
    for (const request of this.requests.filter(({ askAtMs }) => askAtMs <= nowMs)) {
      const { id, change } = request;
      request.askAtMs = nowMs + ASK_AGAIN_MS;
      if (raft.leader === services.self) this.asked(services.self, id, change, nowMs);
      else if (raft.leader === 0 || !services.isConnected(raft.leader)) continue;
      else if (services.features.knows(raft.leader, MEMBERSHIP_LEVEL)) {
        services.send(raft.leader, { type: "membershipRequest", group: services.group, id, change });
      } else continue;
      request.sent = true;
    }
  }

  private expire(nowMs: number): void {
    for (const request of this.requests.filter(({ createdAtMs }) => nowMs - createdAtMs >= MEMBERSHIP_WAIT_MS)) {
      this.answered(request.id, { type: request.sent ? "timedOut" : this.unsentEnd, replica: this.raft.leader }, nowMs);
      this.requests = this.requests.filter((each) => each !== request);
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
      this.answer(work, end, nowMs);
    }
  }

  /** @returns how it ended; undefined: it goes on */
  private step(work: Work, nowMs: number): MembershipEnd | undefined {
    const { raft, services } = this;
    const { self } = services;
    if (raft.role !== "leader") return { type: "notLeader", replica: 0 };
    const isLate = nowMs - work.createdAtMs >= WORK_MS;
    // ↯ It waits for slow disks itself, is said to be in its own way, which is definite (PROTOCOLS Q2), and commits.
    if (!this.isIdle) return isLate ? { type: work.proposed ? "timedOut" : "busy", replica: 0 } : undefined;
    if (services.featureLevel() < MEMBERSHIP_LEVEL) {
      if (nowMs - work.createdAtMs < WORK_MS / 2) return undefined;
      return { type: "outdated", replica: services.features.lagging(raft.configuration, self, MEMBERSHIP_LEVEL) };
    }
    // ↯ Of two that remain one is under repair: when the other one restarts, nobody can be elected ever after (PROTOCOLS D7).
    const isSound = (replica: ReplicaId): boolean =>
      replica === self || (services.isConnected(replica) && raft.follower(replica)?.repairing !== true);
    const next = nextStep(work.change, raft.configuration, isSound);
    if (next.type === "end") return next.end;
    // ↯ The disk is full for an hour, and then nodes leave that somebody gave up to remove long ago.
    if (isLate) return { type: work.proposed ? "timedOut" : "busy", replica: 0 };
    if (work.change.type === "remove" && work.change.replica === self && !work.gaveWay) {
      work.gaveWay = true;
      if (services.giveWay()) return undefined;
    }
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
      if (!services.isConnected(learner) || !raft.isCaughtUp(learner)) continue;
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

  private answer({ peer, id }: Pick<Work, "peer" | "id">, end: MembershipEnd, nowMs: number): void {
    const { self, group } = this.services;
    if (peer === self) this.answered(id, end, nowMs);
    else this.services.send(peer, { type: "membershipReply", group, id, end });
  }
}
