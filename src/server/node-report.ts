import { formatHostPort, type HostPort } from "../kernel/addresses.ts";
import type { DiskWatch } from "../engine/disk-watch.ts";
import type { Engine } from "../engine/engine.ts";
import type { EventLoopTurns } from "../io/turns.ts";
import type { PeerStatistics } from "../io/peer-options.ts";
import type { DirectoryIdentity } from "../io/directory-identity.ts";
import { roleIn } from "../raft/configuration.ts";
import type { Raft } from "../raft/raft.ts";
import { type ReplicaId, UNKNOWN_INDEX } from "../raft/types.ts";
import type { MemberStatus, NodeStatistics, NodeStatus, RepairStatus } from "./control-group.ts";
import type { Member } from "./membership.ts";
import type { StoppedGroup } from "./stopped-group.ts";
import { version } from "./version.ts";

/** What a node's status is read from, at the moment when somebody asks. */
export interface ReportSources {
  readonly identity: DirectoryIdentity;
  readonly members: readonly Member[];
  readonly peerAddress: HostPort;
  readonly advertised: HostPort;
  readonly startedAtMs: number;
  readonly raft: Raft;
  readonly registered: boolean;
  readonly disk: Pick<DiskWatch, "report" | "peerReport">;
  readonly damagedSnapshots: number;
  readonly stopped: StoppedGroup | undefined;
  isConnected(replica: ReplicaId): boolean;
}

export function nodeStatus(sources: ReportSources): NodeStatus {
  const { raft, members, identity } = sources;
  const { nodeId, clusterName, clusterId, incarnation } = identity;
  return {
    ...{ nodeId, clusterName, clusterId, incarnation: String(incarnation) },
    version,
    address: formatHostPort(sources.advertised),
    peerAddress: formatHostPort(sources.peerAddress),
    role: roleOf(raft),
    leader: members.find((member) => member.replica === raft.leader)?.nodeId,
    term: raft.term,
    lastIndex: raft.log.lastIndex,
    commitIndex: raft.log.commitIndex,
    appliedIndex: raft.log.appliedIndex,
    snapshotIndex: raft.log.snapshot?.index ?? 0,
    compactedIndex: raft.log.compacted.index,
    damagedSnapshots: sources.damagedSnapshots,
    leaseTimeMs: raft.leaseTime.nowMs,
    disk: sources.disk.report,
    members: members.map((member) => memberStatus(sources, member)),
    nextReplica: raft.configuration.facts?.nextReplica ?? 0,
    transferringTo: members.find((member) => member.replica === raft.transferee)?.nodeId,
    ready: raft.leader !== 0 && sources.registered && sources.stopped === undefined && !raft.repairing,
    repair: repairStatus(raft),
    stopped: sources.stopped,
    startedAtMs: sources.startedAtMs,
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

function memberStatus(sources: ReportSources, member: Member): MemberStatus {
  const { raft } = sources;
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
  readonly host: {
    readonly ingress: { readonly outstandingCount: number };
    readonly machine: { readonly featureLevel: number };
    readonly stateChecks: { readonly checks: number; readonly agreedIndex: number };
  };
  readonly peers: PeerStatistics;
  readonly log: { readonly flushedBytes: number; readonly repair: object | undefined };
  readonly loop: Pick<EventLoopTurns, "waitMs" | "longestWaitMs">;
  /** Requests that wait for a lock to change. */
  readonly observers: number;
}

export function nodeStatistics({
  engine: { statistics, turns },
  host,
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
    outstandingOperations: host.ingress.outstandingCount,
    observers,
    fsyncMs: engine.flushMs,
    turnMs: turns.durationMs,
    longestTurnMs: turns.longestMs,
    longTurns: turns.overBudget,
    turnWaitMs: loop.waitMs,
    longestTurnWaitMs: loop.longestWaitMs,
    stateChecks: host.stateChecks.checks,
    stateAgreedIndex: host.stateChecks.agreedIndex,
    featureLevel: host.machine.featureLevel,
    snapshotsTaken: engine.snapshotsTaken,
    snapshotsFailed: engine.snapshotsFailed,
    snapshotsInstalled: engine.snapshotsInstalled,
    snapshotsRefused: engine.snapshotsRefused,
    snapshotBytesSent: engine.snapshotBytesSent,
  };
}
