import type { HostPort } from "../kernel/addresses.ts";
import { join } from "node:path";
import { Engine } from "../engine/engine.ts";
import { SyncTimes } from "../engine/sync-times.ts";
import type { DiskState } from "../engine/disk-report.ts";
import { lockProtocol } from "../engine/lock-protocol.ts";
import { systemClock } from "../io/clocks.ts";
import { type DataDirectory, refuseDirectory } from "../io/data-directory.ts";
import { nodeFactsOf, TcpPeerNetwork } from "../io/peer-network.ts";
import { systemRandom } from "../io/random.ts";
import { EventLoopTurns } from "../io/turns.ts";
import type { GroupStop } from "../engine/group-stop.ts";
import { ApplyJournalFile, SUSPECTS_FILE } from "../io/apply-journal-file.ts";
import type { PeerIdentity } from "../io/peer-options.ts";
import { assert } from "../kernel/assert.ts";
import { StartError } from "../kernel/start-error.ts";
import type { Configuration, GroupId, NodeFacts, ReplicaId } from "../raft/types.ts";
import { LockMachine } from "../locks/lock-machine.ts";
import type { SegmentedLog } from "../wal/log.ts";
import type { SnapshotStore } from "../wal/snapshot-store.ts";
import { SnapshotFormatError } from "../wal/errors.ts";
import type { CreateApplication } from "./application.ts";
import { Affiliation } from "./affiliation.ts";
import { Backups } from "./backups.ts";
import type { NodeConfiguration } from "./configuration.ts";
import type { EmbeddedQueues } from "./embedded-queues.ts";
import { EngineControlGroup } from "./engine-control-group.ts";
import { CONTROL_GROUP, groupsOf } from "./group-kinds.ts";
import { HostedGroups, shardDefinitions } from "./hosted-groups.ts";
import { type HttpServer, startHttpServer } from "./http-server.ts";
import { HttpStatistics } from "./http-statistics.ts";
import { membersOf } from "./membership.ts";
import { Metrics } from "./metrics.ts";
import { nodeStatistics, nodeStatus } from "./node-report.ts";
import { explainDamage, openNodeLog, tellEnd } from "./open-node-log.ts";
import { openSnapshots, tellSnapshot } from "./open-snapshots.ts";
import { QueueShards } from "./queue-shards.ts";
import { randomId } from "./random-id.ts";
import { createRun } from "./run.ts";
import type { Logger, RunningNode } from "./running-node.ts";
import { TurnWarnings } from "./turn-warnings.ts";
import { commit, version } from "./version.ts";

export interface NodeParts {
  readonly createApp: CreateApplication;
  readonly log: Logger;
  readonly signal?: AbortSignal | undefined;
}

/** Everything of a node that is running. */
interface Started {
  readonly network: TcpPeerNetwork;
  readonly log: SegmentedLog;
  readonly engine: Engine;
  readonly groups: HostedGroups;
  readonly group: EngineControlGroup;
  readonly queues: EmbeddedQueues | undefined;
  readonly http: HttpServer;
}

/** Refusals after which a node must not go on. */
const STOPPING: ReadonlySet<string> = new Set(["wiped_node", "removed_node", "duplicate_node"]);
/** A leader's silence is noticed within one tick: 10 ms. What a tick costs an idle node was too little to measure. */
const TICKS_PER_HEARTBEAT = 5;
/** Between two looks at which schedules are due. */
const FIRE_MS = 250;
/** At a stop, requests that wait for nothing but the log get this long; then connections are cut. */
const DRAIN_MS = 2_000;

/**
 * Starts one node: everything but the process around it.
 *
 * @throws {StartError} one sentence that says what to change
 */
export async function startNode(configuration: NodeConfiguration, parts: NodeParts): Promise<RunningNode> {
  const node = new Node(configuration, parts);
  try {
    await node.start();
    return node;
  } catch (error) {
    await node.stop();
    throw error;
  }
}

class Node implements RunningNode {
  readonly failed: Promise<Error>;
  private readonly fail: (error: Error) => void;
  private readonly affiliation: Affiliation;
  private readonly startedAtMs = systemClock.wallMs();
  private readonly turns = new EventLoopTurns();
  private readonly syncTimes = new SyncTimes();
  /** What must be closed again, in the order in which it was opened. */
  private readonly opened: (() => void | Promise<void>)[] = [];
  private listensAt: HostPort | undefined;
  private started: Started | undefined;
  private stopping: Promise<void> | undefined;
  private groups: HostedGroups | undefined;
  private readonly knownLeaders = new Map<GroupId, string | undefined>();
  /** Whether other nodes have what a damaged log has lost, as of now. */
  private canRepair = (): boolean => false;
  /** It cannot go on: there is nothing left to hand over. */
  private broken = false;

  constructor(
    private readonly configuration: NodeConfiguration,
    private readonly parts: NodeParts,
  ) {
    const { promise, resolve } = Promise.withResolvers<Error>();
    this.failed = promise;
    this.fail = (error) => {
      this.broken = true;
      resolve(error);
    };
    this.affiliation = new Affiliation(configuration, parts.log, parts.signal);
  }

  get address(): HostPort {
    return this.started?.http.address ?? this.configuration.listen;
  }

  get peerAddress(): HostPort {
    return this.listensAt ?? this.configuration.peerListen;
  }

  async start(): Promise<void> {
    const directory = await this.affiliation.openDirectory();
    this.opened.push(() => directory.close());
    // Ports before the log: a start that cannot be should change nothing.
    const network = this.createNetwork(directory);
    this.listensAt = network.listen();
    const self = await this.affiliation.settle(directory, nodeFactsOf(this.peerIdentity(directory)));
    const { snapshots, log } = await this.openStorage(directory);
    const node = (): NodeFacts => nodeFactsOf(this.peerIdentity(directory));
    const io = { clock: systemClock, network, scheduler: this.turns, log, snapshots };
    const ports = { ...io, syncTimes: this.syncTimes, node };
    const warnings = new TurnWarnings(this.parts.log, () => systemClock.monotonicMs());
    const engine = new Engine(self, ports, {
      failed: (error) => this.fail(explained(directory, error)),
      groupStopped: (group, stop) => this.groupStopped(group, stop),
      repaired: (group, index) => tellEnd(this.parts.log, group, index),
      turnTooLong: (turn) => warnings.warn(turn),
      leaderChanged: (group, term, leader) => this.leaderChanged(group, term, leader),
      handingOver: (group, term, to) => this.handingOver(group, term, to),
      diskChanged: (state, refusal) => this.diskChanged(directory.path, state, refusal),
      snapshotNews: (group, news) => tellSnapshot(this.parts.log, group, news),
    });
    this.opened.push(() => engine.stop());
    const machine = new LockMachine();
    const shards = new QueueShards(this.configuration.nodeId, directory.path);
    this.opened.push(() => shards.close());
    const groups = this.hostGroups(directory, engine, machine, shards);
    const queues = shards.queues(engine, groups);
    const firer = shards.firer(engine, this.parts.log);
    const host = groups.control;
    const status = () => nodeStatus(this.reportSources(directory, network, groups, engine));
    const { nodeId } = this.configuration;
    const nodeIdOf = (replica: ReplicaId): string | undefined => host.followMembers().replicas.get(replica)?.nodeId;
    const group = new EngineControlGroup(nodeId, engine, host, machine, status, nodeIdOf);
    const backups = new Backups({
      ...{ group, sources: groups.backupSources(group), store: snapshots.store, wallMs: () => systemClock.wallMs() },
      cluster: () => directory.identity,
    });
    const metrics = new HttpStatistics();
    const http = this.startHttp({ group, queues, counts: shards.counts }, backups, metrics, () =>
      nodeStatistics({
        engine,
        groups,
        peers: network.statistics,
        log,
        loop: this.turns,
        observers: group.observerCount,
      }),
    );
    this.started = { network, log, engine, groups, group, queues, http };
    this.warnOfStrangers(groups);
    network.start(engine);
    const firing = setInterval(() => firer.tick(systemClock.wallMs()), FIRE_MS);
    this.opened.push(() => clearInterval(firing));
    this.turns.start(
      this.configuration.heartbeatIntervalMs / TICKS_PER_HEARTBEAT,
      () => this.guarded(() => engine.turn()),
      () => engine.tick(),
    );
  }

  stop(): Promise<void> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<void> {
    if (this.started !== undefined) {
      const { group, http, groups, queues } = this.started;
      // First, while requests are still taken: whoever asks this node meanwhile waits a moment and is answered.
      await this.handOver(this.started);
      group.close();
      await queues?.close();
      await http.stop(DRAIN_MS);
      await groups.cancelsSent();
      // Another node that stops may have handed it to this one meanwhile.
      await this.handOver(this.started);
    }
    this.turns.stop();
    for (const close of this.opened.toReversed()) await close();
  }

  private async handOver({ groups, network }: Started): Promise<void> {
    if (this.broken) return;
    await groups.handOver((replica) => network.isConnected(replica));
  }

  private handingOver(group: number, term: number, to: number): void {
    this.parts.log.info({ group, term }, `handing leadership over to ${this.nodeIdOf(to) ?? to}`);
  }

  private diskChanged(path: string, state: DiskState, refusal: Error | undefined): void {
    const { log } = this.parts;
    if (state === "ok") log.info({ disk: state }, "the disk has room again: this node writes");
    else {
      const what = state === "full" ? "only releases and keepalives are written" : "nothing more is written";
      log.warn({ disk: state, error: refusal?.message }, `the disk of ${path} is full: make room; until then ${what}`);
    }
  }

  /** A second build of one version is another program: it may apply what the first cannot. */
  private openJournal({ path }: DataDirectory): ApplyJournalFile {
    const program = commit === undefined ? version : `${version}+${commit}`;
    const onError = (error: unknown): void =>
      this.parts.log.warn({ error: String(error) }, "deaths of this process at an entry are not counted");
    try {
      const journal = new ApplyJournalFile(path, { program, onError });
      this.opened.push(() => journal.close());
      return journal;
    } catch (error) {
      throw refuseDirectory(path, error);
    }
  }

  private groupStopped(group: GroupId, stop: GroupStop): void {
    const { message, reason, index } = this.hosted.stopped(group, stop);
    this.parts.log.error({ group, index, reason }, message);
    if (group === CONTROL_GROUP) this.started?.group.stopped();
  }

  private get hosted(): HostedGroups {
    assert(this.groups !== undefined, "groups run only once they are there");
    return this.groups;
  }

  private createNetwork(directory: DataDirectory): TcpPeerNetwork {
    const { peerListen, members } = this.configuration;
    const network = new TcpPeerNetwork({
      self: () => this.peerIdentity(directory),
      ...(members !== undefined && { addresses: members }),
      listen: peerListen,
      host: {
        knownIncarnation: (peer) => directory.knownIncarnation(peer)?.toString(),
        rememberIncarnation: (peer, incarnation) => directory.rememberIncarnation(peer, Number(incarnation)),
        rememberAlone: (alone) => directory.rememberAlone(alone),
        onRefused: (peer, code, sentence) => this.refused(peer, code, sentence, this.hasJoined(directory)),
      },
      random: systemRandom,
      logger: this.parts.log,
    });
    this.opened.push(() => network.stop());
    return network;
  }

  /** Naming a node makes no member of it. */
  private warnOfStrangers({ control }: HostedGroups): void {
    const { configuration, parts } = this;
    const members = membersOf(control.followMembers()).map(({ nodeId }) => nodeId);
    for (const nodeId of configuration.members?.keys() ?? []) {
      if (members.includes(nodeId)) continue;
      parts.log.warn(
        { node: nodeId },
        `${nodeId} is no member of this cluster: start it with --join, or drop it from --peers`,
      );
    }
  }

  private peerIdentity({ identity }: DataDirectory): PeerIdentity {
    const { clusterId: id, nodeId, incarnation, replica = 0 } = identity;
    const { peerAddress } = this.configuration;
    const clientAddress = this.advertised.port === 0 ? undefined : this.advertised;
    return {
      ...{ clusterId: id, nodeId, replica, incarnation: String(incarnation) },
      peerAddress: peerAddress.port === 0 ? { host: peerAddress.host, port: this.peerAddress.port } : peerAddress,
      clientAddress,
    };
  }

  private nodeIdOf(replica: ReplicaId): string | undefined {
    return this.started?.groups.control.followMembers().replicas.get(replica)?.nodeId;
  }

  private leaderChanged(group: number, term: number, leader: number): void {
    const nodeId = this.nodeIdOf(leader);
    const lost = this.knownLeaders.get(group);
    this.knownLeaders.set(group, nodeId);
    if (nodeId !== undefined) {
      this.parts.log.info(
        { group, term, leader: nodeId },
        nodeId === this.configuration.nodeId ? "leading" : "following",
      );
      // A change of term without a leader before or after is one step of an election, and no news.
    } else if (lost !== undefined) this.parts.log.warn({ group, term, lost }, "no leader");
  }

  /**
   * A node that its peers know under another identity must not go on: it has lost what it promised (PROTOCOLS M1). One
   * that found its cluster once does go on when somebody else's node answers at a peer's address: otherwise a single
   * stray process would stop every node that dials it.
   */
  private refused(peer: string, code: string, sentence: string, joined: boolean): void {
    this.parts.log.error({ peer, code }, sentence);
    if (STOPPING.has(code) || (code === "wrong_cluster" && !joined)) {
      this.fail(new StartError(`${peer} refused this node: ${sentence}.`));
    }
  }

  private hasJoined(directory: DataDirectory): boolean {
    const replicas = [...(this.started?.groups.control.followMembers().replicas.keys() ?? [])];
    return replicas.some((replica) => directory.knownIncarnation(replica) !== undefined);
  }

  private async openStorage(directory: DataDirectory) {
    const snapshots = this.explaining(directory, () =>
      openSnapshots(directory, (close) => this.opened.push(close), this.parts.log),
    );
    const log = await this.openLog(directory, snapshots.store);
    return { snapshots, log };
  }

  /** @throws {StartError} one sentence for what the disk or a file says */
  private explaining<T>({ path }: DataDirectory, work: () => T): T {
    try {
      return work();
    } catch (error) {
      if (error instanceof SnapshotFormatError) throw new StartError(error.message);
      throw refuseDirectory(path, error);
    }
  }

  private openLog(directory: DataDirectory, snapshots: SnapshotStore): Promise<SegmentedLog> {
    const { voters } = this.membershipOf(directory);
    this.canRepair = () => !directory.isAlone && (directory.hasMet || voters.length > 1);
    return openNodeLog(directory, {
      nodeId: this.configuration.nodeId,
      groups: groupsOf(directory.identity.shards),
      snapshots,
      canRepair: this.canRepair(),
      log: this.parts.log,
      opened: (close) => this.opened.push(close),
      onSynced: (durationMs) => this.syncTimes.observe(durationMs),
    });
  }

  private hostGroups(
    directory: DataDirectory,
    engine: Engine,
    machine: LockMachine,
    { define }: QueueShards,
  ): HostedGroups {
    const { nodeId, electionTimeoutMs, heartbeatIntervalMs } = this.configuration;
    const options = {
      ...{ engine, random: systemRandom, electionTimeoutMs, heartbeatIntervalMs },
      journal: this.openJournal(directory),
      suspectsFile: join(directory.path, SUSPECTS_FILE),
    };
    const configuration = this.membershipOf(directory);
    const control = { group: CONTROL_GROUP, machine, protocol: lockProtocol(nodeId), configuration };
    const shards = shardDefinitions(directory.identity.shards, configuration, define);
    this.groups = this.explaining(directory, () => new HostedGroups(control, shards, options));
    return this.groups;
  }

  /** While log and snapshots say nothing of it. */
  private membershipOf({ identity }: DataDirectory): Configuration {
    return identity.membership ?? this.affiliation.first;
  }

  private reportSources(directory: DataDirectory, network: TcpPeerNetwork, groups: HostedGroups, engine: Engine) {
    return {
      identity: directory.identity,
      members: membersOf(groups.control.followMembers()),
      peerAddress: this.peerAddress,
      advertised: this.advertised,
      startedAtMs: this.startedAtMs,
      groups: groups.sources(),
      disk: engine.disk,
      isConnected: (replica: number) => network.isConnected(replica),
      wishFor: (group: number) => engine.wishFor(group),
    };
  }

  private startHttp(
    served: Pick<Started, "group" | "queues"> & Pick<QueueShards, "counts">,
    backups: Backups,
    statistics: HttpStatistics,
    nodeFigures: () => ReturnType<typeof nodeStatistics>,
  ): HttpServer {
    const { advertise, listen } = this.configuration;
    const internalError = (error: unknown, route = ""): void =>
      this.parts.log.error({ error: String(error), route }, "internal error");
    const app = this.parts.createApp({
      run: createRun({
        group: served.group,
        queues: served.queues,
        randomId,
        loopbackOnly: !this.configuration.insecure,
      }),
      metrics: new Metrics({ group: served.group, statistics: nodeFigures, http: statistics, queues: served.counts }),
      ...{ statistics, backups },
      allowedHosts: [advertise.host, listen.host],
      onInternalError: internalError,
    });
    return startHttpServer(listen, (request, server) => app.fetch(request, server), internalError);
  }

  /** A broken invariant stops the node: wrong answers are worse than none. */
  private guarded(work: () => void): void {
    try {
      work();
    } catch (error) {
      this.turns.stop();
      this.started?.group.break();
      void this.started?.queues?.close();
      this.fail(error instanceof Error ? explainDamage(error, this.canRepair()) : new Error(String(error)));
    }
  }

  /** With the port that was given where 0 was asked for. */
  private get advertised(): HostPort {
    const { advertise } = this.configuration;
    return advertise.port === 0 ? { host: advertise.host, port: this.address.port } : advertise;
  }
}

/** An error of the operating system's in our words. No {@link StartError}: who makes room may try again. */
function explained({ path }: DataDirectory, error: Error): Error {
  const refusal = refuseDirectory(path, error);
  return refusal instanceof StartError && refusal !== error ? new Error(refusal.message, { cause: error }) : error;
}
