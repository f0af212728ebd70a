import { assert } from "../kernel/assert.ts";
import { Hash } from "../kernel/hash.ts";
import { Prng } from "../kernel/prng.ts";
import { groupOf, readPeerMessages, writePeerMessage } from "../engine/peer-messages.ts";
import { ByteWriter } from "../kernel/bytes.ts";
import { firstShardConfiguration } from "../engine/shard-mirrors.ts";
import type { GroupId, ReplicaId } from "../raft/types.ts";
import { Administrator } from "./administrator.ts";
import { ClientChecks } from "./checks/client-checks.ts";
import { type AnyGroupChecks, GroupChecks } from "./checks/group-checks.ts";
import { checkLinearizability } from "./checks/linearizability.ts";
import { LockJudge } from "./checks/lock-judge.ts";
import { MAX_IDENTITY } from "./checks/operation-key.ts";
import { ShardJudge } from "./checks/shard-judge.ts";
import type { SimHistory } from "./client-records.ts";
import { hashBytes } from "./hash-bytes.ts";
import type { SimHooks } from "./hooks.ts";
import { factsOf, firstConfiguration, type NodeOrigin } from "./node-origin.ts";
import { Nemesis } from "./nemesis.ts";
import { SimNetwork } from "./network.ts";
import { drawProfile, type Profile } from "./profile.ts";
import { Recovery } from "./recovery.ts";
import { Scheduler } from "./scheduler.ts";
import { SimNode } from "./sim-node.ts";
import { Trace } from "./trace.ts";
import { Violation } from "./violation.ts";
import { QueueWorkload } from "./queue-workload.ts";
import { Workload } from "./workload.ts";
import { type Checks, SIM_SHARD, type ShardChecks, type World } from "./world.ts";

const TRACE_LINES = 4_000;
/**
 * Identities are far apart, as random ones are: what a process counts from its own does not reach that of the next one. ↯ A node
 * asks to add new8, dies, asks to add new4 under the same number, and takes the one answer for the other.
 */
const IDENTITY_GAP = 256;

/** One cluster, from its first start to its end, in virtual time. The seed decides everything. */
export class Simulation implements World {
  readonly profile: Profile;
  readonly scheduler = new Scheduler();
  readonly random: Prng;
  readonly network: SimNetwork;
  readonly checks: Checks;
  readonly shardChecks: ShardChecks | undefined;
  readonly groupChecks = new Map<GroupId, AnyGroupChecks>();
  readonly trace = new Trace(TRACE_LINES);
  readonly judge = new LockJudge((lengthMs, lastedMs) => this.checks.lease.ended(lengthMs, lastedMs, this.jumpedMs));
  /** Those that are there now. */
  readonly nodes: SimNode[] = [];
  /** All that ever were, by replica. */
  readonly replicas = new Map<ReplicaId, SimNode>();
  readonly administrator: Administrator;
  readonly nemesis: Nemesis;
  readonly workload: Workload;
  /** Undefined: the cluster has no queues. */
  readonly queues: QueueWorkload | undefined;
  readonly shardJudge = new ShardJudge();
  events = 0;
  upgraded = false;
  /** Objects of which nobody knows whether their history is linearizable: the search took too long. */
  undecided = 0;
  private healedMs: number | undefined;
  private readonly hash = new Hash();
  private readonly frame = new ByteWriter(64 * 1024);
  private lastIdentity = 0;

  /**
   * @param nodes undefined: drawn from the seed
   * @param withQueues it has a shard of queues beside its control group, and those who use it
   */
  constructor(
    readonly seed: number,
    nodes: number | undefined,
    readonly hooks: SimHooks = {},
    withQueues = false,
  ) {
    // Streams of their own: what one part draws does not shift what another does.
    const stream = (number: number): Prng => new Prng(seed * 8 + number);
    this.profile = drawProfile(stream(0), nodes);
    this.random = stream(1);
    this.network = new SimNetwork(this.scheduler, stream(2), this.profile, this.tap);
    const first = firstConfiguration(this.profile.nodes);
    const { profile, judge } = this;
    const compares = hooks.comparesNothing !== true;
    const common = { profile, compares, nowMs: () => this.scheduler.nowMs };
    const control = new GroupChecks({
      ...common,
      first,
      mayReturn: false,
      judge,
      votersOf: (node) => this.votersOf(node, 0),
    });
    this.checks = Object.assign(control, { clients: new ClientChecks(control.applied) });
    this.groupChecks.set(0, this.checks);
    if (withQueues) {
      const member = { first: firstShardConfiguration(first), mayReturn: true, judge: this.shardJudge };
      this.shardChecks = new GroupChecks({ ...common, ...member, votersOf: (node) => this.votersOf(node, SIM_SHARD) });
      this.groupChecks.set(SIM_SHARD, this.shardChecks);
    }
    for (const replica of first.voters) {
      this.add(replica, { facts: factsOf(`node${replica}`, this.identity()), configuration: first });
    }
    this.administrator = new Administrator(this, this.nodes, stream(5), (replica, origin) => {
      this.add(replica, origin).start();
    });
    this.nemesis = new Nemesis(this, this.nodes, this.administrator, stream(3));
    this.workload = new Workload(this, this.nodes, stream(4));
    if (this.shardChecks !== undefined) {
      this.queues = new QueueWorkload(this, this.shardChecks.applied, this.nodes, stream(6));
    }
    for (const node of this.nodes) node.start();
  }

  private add(replica: ReplicaId, origin: NodeOrigin): SimNode {
    const node = new SimNode(this, replica, origin, {
      crashed: () => this.died(node),
      elected: () => this.nemesis.duel.elected(node),
      committed: () => this.nemesis.duel.committed(node),
      refused: () => this.administrator.replace(node),
    });
    this.replicas.set(replica, node);
    this.nodes.push(node);
    return node;
  }

  private died(node: SimNode): void {
    this.workload.nodeCrashed(node);
    this.queues?.nodeCrashed(node);
    if (node.gone) this.nodes.splice(this.nodes.indexOf(node), 1);
    else this.nemesis.restartLater(node);
  }

  /** Those who count, by every configuration that the node has in its log and that may be in force. */
  private votersOf(node: ReplicaId, group: GroupId): readonly (readonly ReplicaId[])[] {
    const { host, shard } = this.replicas.get(node)?.process ?? {};
    const log = (group === 0 ? host : shard?.host)?.raft.log;
    return log?.configurations.since(log.commitIndex).map(({ configuration }) => configuration.voters) ?? [];
  }

  /** Equal for two runs that were equal in every event and every byte between nodes. */
  get fingerprint(): string {
    return this.hash.finish().toString(16).padStart(14, "0");
  }

  /** What jumps of clocks may have taken from leases: a step for each. */
  private get jumpedMs(): number {
    const jumps = [...this.replicas.values()].reduce((sum, { clock }) => sum + clock.jumps, 0);
    return 2 * this.profile.heartbeatIntervalMs * jumps;
  }

  get history(): SimHistory {
    const { profile, replicas, nemesis, workload, scheduler, healedMs } = this;
    const names = new Set([...replicas.values()].map(({ name }) => name));
    return {
      ...{ nodes: [...names], clients: profile.clients, faults: nemesis.counts },
      ...{ records: workload.recorded(), clockSkew: profile.clockSkew, healedMs, endMs: scheduler.nowMs },
      shortensMs: -this.checks.lease.leastMs(0, this.jumpedMs),
    };
  }

  identity(): number {
    assert(this.lastIdentity < MAX_IDENTITY - IDENTITY_GAP, "a run needs few identities");
    this.lastIdentity += IDENTITY_GAP;
    return this.lastIdentity;
  }

  /**
   * Lets things go wrong for `events` events, then mends everything and demands that the cluster is whole again and did
   * what one machine could have done.
   *
   * @throws {Violation} or the broken invariant of a node
   */
  run(events: number): void {
    while (this.events < events) this.step();
    this.healedMs = this.scheduler.nowMs;
    new Recovery(this).demand();
    const { jumpedMs } = this;
    this.undecided = checkLinearizability(
      this.workload.history.operations((ttlMs) => this.checks.lease.leastMs(ttlMs, jumpedMs)),
    );
  }

  step(): void {
    const event = this.scheduler.next();
    if (event === undefined) throw new Violation("liveness", "nothing will ever happen again");
    const node = this.replicas.get(event.node);
    if (node?.paused === true) {
      node.postpone(event);
      return;
    }
    this.events++;
    this.hash.integer(event.node).integer(Math.floor(event.atMs * 1000));
    event.run();
  }

  /** Every frame that leaves a node passes here. */
  private readonly tap = (from: ReplicaId, to: ReplicaId, frame: Uint8Array): Uint8Array | undefined => {
    const { hooks, trace, scheduler } = this;
    let bytes: Uint8Array = frame.slice();
    let messages = readPeerMessages(bytes);
    assert(messages !== undefined, "a node sends frames that can be read");
    if (hooks.message !== undefined) {
      messages = messages.map(hooks.message);
      this.frame.reset();
      for (const message of messages) writePeerMessage(this.frame, message);
      bytes = this.frame.copy();
    }
    this.hash.integer(hashBytes(bytes));
    for (const message of messages) {
      const beat = message.type === "raft" && message.message.type.startsWith("heartbeat");
      if (!beat) trace.add(scheduler.nowMs, from, `→ node${to}`, message.type === "raft" ? message.message : message);
      const looking = this.groupChecks.get(groupOf(message) ?? 0);
      if (looking === undefined) throw new Violation("R3 a frame speaks of groups that there are", `node${from}`);
      looking.reserved.sent(from, message);
      if (message.type !== "raft") continue;
      looking.candidacies.sent(message.message);
      looking.raft.sent(message.message);
      looking.lease.sent(message.message, scheduler.nowMs);
    }
    return bytes;
  };
}
