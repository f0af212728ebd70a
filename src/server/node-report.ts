import type { DiskWatch } from "../engine/disk-watch.ts";
import type { EngineStatistics } from "../engine/statistics.ts";
import type { Ingress } from "../engine/ingress.ts";
import type { PeerStatistics } from "../io/peer-options.ts";
import type { Raft } from "../raft/raft.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { HostPort } from "./configuration.ts";
import type { MemberStatus, NodeStatistics, NodeStatus } from "./control-group.ts";
import type { Member } from "./membership.ts";
import { version } from "./version.ts";

/** What a node's status is read from, at the moment when somebody asks. */
export interface ReportSources {
  readonly self: Member;
  readonly members: readonly Member[];
  readonly clusterName: string;
  readonly clusterId: string;
  readonly incarnation: number;
  readonly advertised: HostPort;
  readonly startedAtMs: number;
  readonly raft: Raft;
  readonly registered: boolean;
  readonly disk: Pick<DiskWatch, "report" | "peerReport">;
  isConnected(replica: ReplicaId): boolean;
}

export function nodeStatus(sources: ReportSources): NodeStatus {
  const { raft, self, members } = sources;
  return {
    nodeId: self.nodeId,
    clusterName: sources.clusterName,
    clusterId: sources.clusterId,
    incarnation: String(sources.incarnation),
    version,
    address: formatHostPort(sources.advertised),
    peerAddress: formatHostPort(self.peerAddress),
    role: raft.role,
    leader: members.find((member) => member.replica === raft.leader)?.nodeId,
    term: raft.term,
    lastIndex: raft.log.lastIndex,
    commitIndex: raft.log.commitIndex,
    appliedIndex: raft.log.appliedIndex,
    leaseTimeMs: raft.leaseTime.nowMs,
    disk: sources.disk.report,
    members: members.map((member) => memberStatus(sources, member)),
    transferringTo: members.find((member) => member.replica === raft.transferee)?.nodeId,
    ready: raft.leader !== 0 && sources.registered,
    startedAtMs: sources.startedAtMs,
  };
}

function memberStatus(sources: ReportSources, member: Member): MemberStatus {
  const { self, raft } = sources;
  const isSelf = member === self;
  return {
    nodeId: member.nodeId,
    replica: member.replica,
    peerAddress: formatHostPort(member.peerAddress),
    connected: isSelf || sources.isConnected(member.replica),
    disk: isSelf ? sources.disk.report.state : sources.disk.peerReport(member.replica)?.state,
    matchIndex: isSelf ? raft.log.durableIndex : raft.matchIndex(member.replica),
  };
}

export function nodeStatistics(
  engine: EngineStatistics,
  peers: PeerStatistics,
  log: { readonly flushedBytes: number },
  ingress: Pick<Ingress<never, never>, "outstandingCount">,
  observers: number,
): NodeStatistics {
  return {
    elections: engine.elections,
    leaderChanges: engine.leaderChanges,
    transfers: engine.transfers,
    transfersFailed: engine.transfersFailed,
    turns: engine.turns,
    flushes: engine.flushes,
    flushedBytes: log.flushedBytes,
    flushedEntries: engine.flushedEntries,
    appliedEntries: engine.appliedEntries,
    proposals: engine.proposals,
    forwarded: engine.forwarded,
    readRounds: engine.readRounds,
    framesSent: peers.framesSent,
    framesReceived: peers.framesReceived,
    framesDropped: peers.framesDropped,
    outstandingOperations: ingress.outstandingCount,
    observers,
    fsyncMs: engine.flushMs,
    turnMs: engine.turnMs,
  };
}

function formatHostPort({ host, port }: HostPort): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
