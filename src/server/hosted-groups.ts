import type { ApplyJournal } from "../engine/apply-journal.ts";
import { createGroup, type GroupBounds } from "../engine/create-group.ts";
import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import type { GroupStop } from "../engine/group-stop.ts";
import type { OperationProtocol } from "../engine/ingress.ts";
import type { Random } from "../engine/ports.ts";
import type { StateMachine } from "../engine/state-machine.ts";
import type { LockCommand, LockResult } from "../locks/types.ts";
import { roleIn } from "../raft/configuration.ts";
import type { Configuration, GroupId, ReplicaId } from "../raft/types.ts";
import type { BackupSource } from "./backups.ts";
import { type ControlGroup, GroupError } from "./control-group.ts";
import { groupsOf, kindOf } from "./group-kinds.ts";
import { handOver } from "./hand-over.ts";
import { firstShardConfiguration } from "../engine/shard-mirrors.ts";
import type { GroupSources } from "./node-report.ts";
import { type StoppedGroup, stoppedGroup } from "./stopped-group.ts";

/** What a node hosts a group with. */
export interface GroupDefinition<Command, Result> {
  readonly group: GroupId;
  /** It has applied nothing. */
  readonly machine: StateMachine<Result>;
  readonly protocol: OperationProtocol<Command, Result>;
  /** The first. Without this node the group costs nothing here until its log says otherwise. */
  readonly configuration: Configuration;
  /** Absent: as of `limits`. */
  readonly bounds?: Partial<GroupBounds>;
}

// oxlint-disable-next-line typescript/no-explicit-any -- existential type: Command and Result differ by group
type AnyDefinition = GroupDefinition<any, any>;
// oxlint-disable-next-line typescript/no-explicit-any -- the same
type AnyHost = GroupHost<any, any>;

/** Makes what a shard is hosted with. */
export type DefineShard = (group: GroupId, first: Configuration) => AnyDefinition;

/** The shards of a cluster, which begins with these members. */
export function shardDefinitions(shards: number, members: Configuration, define: DefineShard): AnyDefinition[] {
  const first = firstShardConfiguration(members);
  return groupsOf(shards).flatMap((group) => (kindOf(group) === "control" ? [] : [define(group, first)]));
}

export interface HostingOptions {
  readonly engine: Engine;
  readonly random: Random;
  readonly journal: ApplyJournal;
  readonly electionTimeoutMs: number;
  readonly heartbeatIntervalMs: number;
  /** What a person removes to let the same version try a poison entry again. */
  readonly suspectsFile: string;
}

/** At a stop, the cancels of those that waited for a lock get this long to leave. */
const CANCEL_MS = 500;
const CANCEL_POLL_MS = 5;

/** All groups of one node, the control group first: what happens to one of them happens to no other. */
export class HostedGroups {
  readonly control: GroupHost<LockCommand, LockResult>;
  readonly all: readonly AnyHost[];
  private readonly stops = new Map<GroupId, StoppedGroup>();

  /** @throws {SnapshotFormatError} when this program cannot read a group's snapshot */
  constructor(
    control: GroupDefinition<LockCommand, LockResult>,
    shards: readonly AnyDefinition[],
    private readonly options: HostingOptions,
  ) {
    this.control = this.host(control);
    this.all = [this.control, ...shards.map((shard) => this.host(shard))];
  }

  /** @returns what people are told */
  stopped(group: GroupId, stop: GroupStop): StoppedGroup {
    const stopped = stoppedGroup(group, stop, this.options.suspectsFile);
    this.stops.set(group, stopped);
    return stopped;
  }

  /** Why the group serves nothing any more; undefined: it does. */
  stopOf(group: GroupId): StoppedGroup | undefined {
    return this.stops.get(group);
  }

  /** What the status of each is read from. */
  sources(): GroupSources[] {
    const { store } = this.options.engine.snapshots;
    return this.all.map((host) => ({
      host,
      damagedSnapshots: store.damaged(host.group).length,
      stopped: this.stops.get(host.group),
    }));
  }

  /** What a backup is made of. @param control says best why there is no barrier now */
  backupSources(control: Pick<ControlGroup, "readBarrier">): BackupSource[] {
    const { self } = this.options.engine;
    return this.all.map((host) => ({
      group: host.group,
      isHere: () => host === this.control || roleIn(host.raft.configuration, self) !== "none",
      readBarrier: () => (host === this.control ? control.readBarrier() : this.readBarrier(host)),
      take: (done) => host.takeSnapshot(done),
    }));
  }

  /** Operations taken in here whose end is not seen yet. */
  get outstandingCount(): number {
    return this.all.reduce((count, { ingress }) => count + ingress.outstandingCount, 0);
  }

  /** Of all groups that this node leads, at once: nobody waits for the second because of the first. */
  async handOver(isConnected: (replica: ReplicaId) => boolean): Promise<void> {
    await Promise.all(this.all.map((host) => handOver(host, this.options.engine, isConnected)));
  }

  /** Waiters whose connections were cut leave the queue in the log (PROTOCOLS L7), if there is a leader to tell. */
  async cancelsSent(): Promise<void> {
    const { engine } = this.options;
    const deadlineMs = engine.nowMs() + CANCEL_MS;
    while (this.outstandingCount > 0 && engine.nowMs() < deadlineMs) await Bun.sleep(CANCEL_POLL_MS);
  }

  private readBarrier(host: AnyHost): Promise<number> {
    const { engine } = this.options;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    host.readBarrier(engine.nowMs(), (index) =>
      index === undefined ? reject(new GroupError("no_leader")) : resolve(index),
    );
    engine.wake();
    return promise;
  }

  private host<Command, Result>(definition: GroupDefinition<Command, Result>): GroupHost<Command, Result> {
    const { engine, random, journal, electionTimeoutMs, heartbeatIntervalMs } = this.options;
    const options = { ...definition, journal, electionTimeoutMs, heartbeatIntervalMs };
    const host = createGroup(options, engine, engine.log, random);
    engine.addGroup(host);
    return host;
  }
}
