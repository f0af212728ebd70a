import { formatHostPort, type HostPort } from "../kernel/addresses.ts";
import { assert } from "../kernel/assert.ts";
import type { DiskWatch } from "../engine/disk-watch.ts";
import type { Engine } from "../engine/engine.ts";
import type { ShardWish } from "../engine/shard-wishes.ts";
import type { EventLoopTurns } from "../io/turns.ts";
import type { PeerStatistics } from "../io/peer-options.ts";
import type { DirectoryIdentity } from "../io/directory-identity.ts";
import { roleIn } from "../raft/configuration.ts";
import type { Raft } from "../raft/raft.ts";
import { type GroupId, type ReplicaId, UNKNOWN_INDEX } from "../raft/types.ts";
import type { GroupStatus, MemberStatus, NodeStatistics, NodeStatus, RepairStatus } from "./control-group.ts";
import type { Member } from "./membership.ts";
import type { StoppedGroup } from "./stopped-group.ts";
import { version } from "./version.ts";

/** What the status of one group is read from. */
export interface GroupSources {
  readonly host: {
    readonly group: GroupId;
    readonly raft: Raft;
    readonly ingress: { readonly isRegistered: boolean };
    readonly machine: { readonly featureLevel: number };
    readonly stateChecks: { readonly checks: number; readonly agreedIndex: number };
  };
  readonly damagedSnapshots: number;
  readonly stopped: StoppedGroup | undefined;
}

/** What a node's status is read from, at the moment when somebody asks. */
export interface ReportSources {
  readonly identity: DirectoryIdentity;
  readonly members: readonly Member[];
  readonly peerAddress: HostPort;
  readonly advertised: HostPort;
  readonly startedAtMs: number;
  /** The control group first. */
  readonly groups: readonly GroupSources[];
  readonly disk: Pick<DiskWatch, "report" | "peerReport">;
  isConnected(replica: ReplicaId): boolean;
  /** Of a shard: where the ring would have it led. */
  wishFor(group: GroupId): ShardWish | undefined;
}

export function nodeStatus(sources: ReportSources): NodeStatus {
  const { members, identity } = sources;
  const { nodeId, clusterName, clusterId, incarnation } = identity;
  const groups = sources.groups.map((group) => groupStatus(group, sources));
  const [control] = sources.groups;
  const [status] = groups;
  assert(control !== undefined && status !== undefined, "every node hosts the control group");
  const { raft, ingress } = control.host;
  return {
    ...status,
    ...{ nodeId, clusterName, clusterId, incarnation: String(incarnation) },
    version,
    address: formatHostPort(sources.advertised),
    peerAddress: formatHostPort(sources.peerAddress),
    groups,
    leaseTimeMs: raft.leaseTime.nowMs,
    disk: sources.disk.report,
    members: members.map((member) => memberStatus(sources, raft, member)),
    nextReplica: raft.configuration.facts?.nextReplica ?? 0,
    ready: raft.leader !== 0 && ingress.isRegistered && control.stopped === undefined && !raft.repairing,
    startedAtMs: sources.startedAtMs,
  };
}

function groupStatus({ host, damagedSnapshots, stopped }: GroupSources, sources: ReportSources): GroupStatus {
  const { raft, machine, stateChecks } = host;
  const { log } = raft;
  const nodeIdOf = (replica: ReplicaId) => sources.members.find((member) => member.replica === replica)?.nodeId;
  const namesOf = (replicas: readonly ReplicaId[]) =>
    replicas.map((replica) => nodeIdOf(replica) ?? `replica ${replica}`);
  return {
    group: host.group,
    role: roleOf(raft),
    leader: nodeIdOf(raft.leader),
    term: raft.term,
    lastIndex: log.lastIndex,
    commitIndex: log.commitIndex,
    appliedIndex: log.appliedIndex,
    snapshotIndex: log.snapshot?.index ?? 0,
    compactedIndex: log.compacted.index,
    damagedSnapshots,
    transferringTo: nodeIdOf(raft.transferee),
    repair: repairStatus(raft),
    stopped,
    stateChecks: stateChecks.checks,
    stateAgreedIndex: stateChecks.agreedIndex,
    featureLevel: machine.featureLevel,
    voters: namesOf(raft.configuration.voters),
    learners: namesOf(raft.configuration.learners),
    wish: sources.wishFor(host.group),
  };
}

function repairStatus({ floor }: Raft): RepairStatus | undefined {
  if (floor === undefined) return undefined;
  const untilIndex = floor.index === UNKNOWN_INDEX ? undefined : floor.index;
  return { untilIndex, untilTerm: floor.term };
}

/** A learner follows as a follower does, and is not asked to lead. */
function roleOf({ role, configuration, self }: Raft): NodeStatus["role"] {
  return role === "follower" && roleIn(configuration, self) !== "voter" ? "learner" : role;
}

function memberStatus(sources: ReportSources, raft: Raft, member: Member): MemberStatus {
  const isSelf = member.replica === raft.self;
  return {
    nodeId: member.nodeId,
    replica: member.replica,
    role: member.role,
    expected: member.expected,
    peerAddress: formatHostPort(member.peerAddress),
    address: member.clientAddress && formatHostPort(member.clientAddress),
    connected: isSelf || sources.isConnected(member.replica),
    disk: isSelf ? sources.disk.report.state : sources.disk.peerReport(member.replica)?.state,
    matchIndex: isSelf ? raft.log.durableIndex : raft.follower(member.replica)?.matchIndex,
  };
}

/** What a node's figures are read from. */
export interface StatisticsSources {
  readonly engine: Pick<Engine, "statistics" | "turns">;
  readonly groups: { readonly outstandingCount: number };
  readonly peers: PeerStatistics;
  readonly log: { readonly flushedBytes: number; readonly repair: object | undefined };
  readonly loop: Pick<EventLoopTurns, "waitMs" | "longestWaitMs">;
  /** Requests that wait for a lock to change. */
  readonly observers: number;
}

export function nodeStatistics({
  engine: { statistics, turns },
  groups,
  peers,
  log,
  loop,
  observers,
}: StatisticsSources): NodeStatistics {
  const engine = statistics;
  return {
    elections: engine.elections,
    leaderChanges: engine.leaderChanges,
    transfers: engine.transfers,
    transfersFailed: engine.transfersFailed,
    configurationChanges: engine.configurationChanges,
    turns: turns.durationMs.count,
    flushes: engine.flushes,
    flushedBytes: log.flushedBytes,
    flushedEntries: engine.flushedEntries,
    appliedEntries: engine.appliedEntries,
    proposals: engine.proposals,
    forwarded: engine.forwarded,
    readRounds: engine.readRounds,
    repairs: Number(log.repair !== undefined),
    refilledEntries: engine.refilledEntries,
    framesSent: peers.framesSent,
    framesReceived: peers.framesReceived,
    framesDropped: peers.framesDropped,
    outstandingOperations: groups.outstandingCount,
    observers,
    fsyncMs: engine.flushMs,
    turnMs: turns.durationMs,
    longestTurnMs: turns.longestMs,
    longTurns: turns.overBudget,
    turnWaitMs: loop.waitMs,
    longestTurnWaitMs: loop.longestWaitMs,
    snapshotsTaken: engine.snapshotsTaken,
    snapshotsFailed: engine.snapshotsFailed,
    snapshotsInstalled: engine.snapshotsInstalled,
    snapshotsRefused: engine.snapshotsRefused,
    snapshotBytesSent: engine.snapshotBytesSent,
  };
}
