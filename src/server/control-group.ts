import type { ShardWish } from "../engine/shard-wishes.ts";
import type { DiskReport, DiskState } from "../engine/disk-report.ts";
import type { MembershipChange, MembershipEnd } from "../engine/membership-change.ts";
import type { TransferEnd } from "../engine/transfers.ts";
import type { LockCommand, LockResult, LockView, SemaphoreView, SessionView, WaitEdge } from "../locks/types.ts";
import type { Role } from "../raft/types.ts";
import type { StoppedGroup } from "./stopped-group.ts";

/** Why an operation has no result of the state machine. */
export class GroupError extends Error {
  override name = "GroupError";

  /**
   * @param code `no_leader`: never proposed, and never will be (definite). `outcome_unknown`: proposed, and its end
   *   not seen within the deadline. `limit`: refused for load (definite). `disk_full`: refused for want of room on the
   *   disks (definite). `aborted`: the client went away.
   */
  constructor(readonly code: "no_leader" | "outcome_unknown" | "limit" | "disk_full" | "aborted") {
    super(code);
  }
}

export interface SubmitOptions {
  readonly idempotencyKey?: string | undefined;
  /** Aborts when the client goes away: the waiter then leaves the queue in the log (PROTOCOLS L7). */
  readonly signal?: AbortSignal | undefined;
}

export interface ObserveOptions {
  /** The revision that the observer knows. */
  readonly after: number;
  /** How long to wait for another one, in ms of this node's clock. */
  readonly waitMs: number;
  /** Aborts when the client goes away. */
  readonly signal?: AbortSignal | undefined;
}

/** What a request handler sees of group 0. Implemented over the engine. */
export interface ControlGroup {
  readonly nodeId: string;
  /**
   * Proposes through the leader, wherever it is, and resolves with the result of the applied entry.
   *
   * @throws {GroupError}
   * @throws {ApiError} `group_stopped`, as the other operations of the group
   */
  submit(command: LockCommand, options?: SubmitOptions): Promise<LockResult>;
  /** The same for one session of many: all keepalives of a turn share an entry. Remaining ms; undefined: unknown session. */
  keepalive(session: string): Promise<number | undefined>;
  /**
   * Resolves when this node's state covers everything acknowledged before the call (PROTOCOLS R4), with the applied index.
   *
   * @throws {GroupError} `no_leader`
   */
  readBarrier(): Promise<number>;
  /**
   * Resolves when the lock has another revision than `after` in this node's state, when the time is over, or when the node
   * stops: with nothing, since the state is there to be read.
   *
   * @throws {ApiError} `limit`: too many observers
   * @throws {GroupError} `aborted`
   */
  observe(lock: string, options: ObserveOptions): Promise<void>;
  /**
   * Hands leadership over, wherever it is, and resolves with how that ended. Without `to`: to whoever could lead soonest.
   *
   * @throws {GroupError} `no_leader`
   */
  transferLeadership(to: MemberStatus | undefined): Promise<TransferEnd>;
  /**
   * Has the leader, wherever it is, change who belongs to the cluster, and resolves with how that ended.
   *
   * @throws {GroupError} `no_leader`
   */
  changeMembers(change: MembershipChange): Promise<MembershipEnd>;
  /** This node's applied state: stale unless read after {@link readBarrier}, in the same turn. */
  readonly state: LockStateReader;
  /** Cheap: asked for with every grant. */
  leadership(): Leadership;
  /** Lease time now, as far as this node knows: what ages are counted to. */
  leaseTimeMs(): number;
  status(): NodeStatus;
}

export interface Leadership {
  /** Node id of the leader that this node knows. */
  readonly leader: string | undefined;
  readonly term: number;
}

export interface LockStateReader {
  readonly appliedIndex: number;
  view(lock: string): LockView;
  /** Of a lock; 0 while nobody holds it. */
  revision(lock: string): number;
  semaphore(name: string): SemaphoreView;
  /** Locks held or waited for, by name in code-unit order, after `after`, at most `limit`. */
  page(options: { prefix: string; after: string; limit: number }): LockView[];
  waitForGraph(limit: number): WaitEdge[];
  /** In the order in which they were opened, after the one of that number, at most `limit`. */
  sessions(afterNumber: number, limit: number): SessionView[];
  readonly counts: LockCounts;
}

export interface LockCounts {
  readonly locks: number;
  readonly semaphores: number;
  readonly holds: number;
  readonly waiters: number;
  readonly sessions: number;
  readonly fences: number;
}

/** Of one group, on this node. */
export interface GroupStatus extends Leadership {
  readonly group: number;
  readonly role: Role | "learner";
  readonly lastIndex: number;
  readonly commitIndex: number;
  readonly appliedIndex: number;
  /** Of the entry up to which the newest snapshot stands for the log; 0: there is none. */
  readonly snapshotIndex: number;
  /** Entries up to here are in snapshots alone. */
  readonly compactedIndex: number;
  /** Files that were snapshots, found when the node started, and that are not replaced yet. */
  readonly damagedSnapshots: number;
  /** Node id of whom this leader is handing leadership over to. */
  readonly transferringTo: string | undefined;
  /** What the log lost and has not got back yet (PROTOCOLS D7); undefined: nothing. */
  readonly repair: RepairStatus | undefined;
  /** Why this node applies and serves nothing any more (PROTOCOLS R7, R8); undefined: it does. */
  readonly stopped: StoppedGroup | undefined;
  /** Comparisons in which this node's state was that of a majority (PROTOCOLS R8), and the entry of the last. */
  readonly stateChecks: number;
  readonly stateAgreedIndex: number;
  /** As far as this node has applied the log (PROTOCOLS R7). */
  readonly featureLevel: number;
  /** Node ids of its replicas, as its own log says: those that vote, and those that only get the log. */
  readonly voters: readonly string[];
  readonly learners: readonly string[];
  /** Of a shard: where the ring would have it led. */
  readonly wish: ShardWish | undefined;
}

/** What is said of a group without its number is said of the control group. */
export interface NodeStatus extends GroupStatus {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly clusterId: string;
  readonly incarnation: string;
  readonly version: string;
  /** Client address as others reach it. */
  readonly address: string;
  readonly peerAddress: string;
  /** All of them, the control group first. */
  readonly groups: readonly GroupStatus[];
  readonly leaseTimeMs: number;
  readonly disk: DiskReport;
  readonly members: readonly MemberStatus[];
  /** Replica ids from here on are free. */
  readonly nextReplica: number;
  /**
   * Takes requests: knows a leader, and its own ingress is registered. Of the control group alone: where a shard does not
   * serve, locks do, and other shards.
   */
  readonly ready: boolean;
  readonly startedAtMs: number;
}

export interface RepairStatus {
  /** What must be there again; undefined: nobody knows how much was there, so an entry of a later term than `untilTerm`. */
  readonly untilIndex: number | undefined;
  readonly untilTerm: number;
}

export interface MemberStatus {
  readonly nodeId: string;
  readonly replica: number;
  /** `learner`: it gets the log and does not count yet. `leaving`: its removal is in the log, and has not committed. */
  readonly role: "voter" | "learner" | "leaving";
  /** Its place is kept for whoever comes first by its id: it has not come yet. */
  readonly expected: boolean;
  readonly peerAddress: string;
  /** Where clients reach it; undefined: not known yet. */
  readonly address: string | undefined;
  /** This node itself counts as connected. */
  readonly connected: boolean;
  /** Undefined: not heard of late. */
  readonly disk: DiskState | undefined;
  /** On the leader: what the member is known to hold. */
  readonly matchIndex: number | undefined;
}

/** Plain counters, read by the metrics route; nothing here is computed per request. */
export interface NodeStatistics {
  readonly elections: number;
  readonly leaderChanges: number;
  readonly transfers: number;
  readonly transfersFailed: number;
  readonly configurationChanges: number;
  readonly turns: number;
  readonly flushes: number;
  readonly flushedBytes: number;
  readonly flushedEntries: number;
  readonly appliedEntries: number;
  readonly proposals: number;
  readonly forwarded: number;
  readonly readRounds: number;
  /** Logs that were found damaged at the start, and began anew. */
  readonly repairs: number;
  readonly refilledEntries: number;
  readonly framesSent: number;
  readonly framesReceived: number;
  readonly framesDropped: number;
  readonly outstandingOperations: number;
  /** Requests that wait for a lock to change. */
  readonly observers: number;
  /** Durations of fdatasync in ms, as a cumulative histogram. */
  readonly fsyncMs: Histogram;
  /** Lengths of engine turns in ms (PROTOCOLS D10). */
  readonly turnMs: Histogram;
  /** In ms. */
  readonly longestTurnMs: number;
  /** Turns over the budget, by their longest phase. */
  readonly longTurns: Readonly<Record<string, number>>;
  /** From when a turn was due until it began, in ms. */
  readonly turnWaitMs: Histogram;
  readonly longestTurnWaitMs: number;
  /** Snapshots that this node made, and those that came to nothing. */
  readonly snapshotsTaken: number;
  readonly snapshotsFailed: number;
  /** Of a leader's: put in force here, and refused, whole or in part. */
  readonly snapshotsInstalled: number;
  readonly snapshotsRefused: number;
  readonly snapshotBytesSent: number;
}

export interface Histogram {
  /** Upper bounds, ascending. */
  readonly bounds: readonly number[];
  /** Observations at or below each bound and above the one before; one more for those beyond the last. */
  readonly buckets: readonly number[];
  readonly count: number;
  readonly sum: number;
}
