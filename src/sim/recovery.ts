import type { LockResult } from "../locks/types.ts";
import { roleIn } from "../raft/configuration.ts";
import type { GroupId } from "../raft/types.ts";
import { simQueues } from "./queue-client.ts";
import type { SimNode } from "./sim-node.ts";
import type { SimGroup, SimProcess } from "./sim-process.ts";
import type { Simulation } from "./simulation.ts";
import { check, Violation } from "./violation.ts";

/** After the last fault the cluster must be whole within so long, in virtual ms and in events. */
const WITHIN_MS = 40_000;
const WITHIN_EVENTS = 400_000;
/** What is out to a client that has forgotten it comes back, by default, after 30 s, and then once more after a back-off. */
const DRAINED_WITHIN_MS = 120_000;
/** What had struck before the last fault ended is felt within so long, in virtual ms. */
const STRUCK_WITHIN_MS = 100;

/** How often a request without an answer is made. */
const PROBE_TRIES = 4;

function nameOf(group: GroupId): string {
  return group === 0 ? "the cluster" : `shard ${group}`;
}

function seesRoom({ engine }: SimProcess): boolean {
  let room = engine.disk.state === "ok";
  engine.disk.forEachPeer((_peer, state) => (room &&= state === "ok"));
  return room;
}

/** What must come back once nothing fails any more (liveness). */
export class Recovery {
  private asked = 0;

  constructor(private readonly simulation: Simulation) {}

  /** @throws {Violation} when something does not */
  demand(): void {
    const { simulation } = this;
    simulation.workload.stop();
    simulation.queues?.stop();
    simulation.nemesis.heal();
    // A node that was paused may meet a crash or an error of its disk that struck it meanwhile.
    const struckMs = simulation.scheduler.nowMs + STRUCK_WITHIN_MS;
    this.until("time goes on", () => simulation.scheduler.nowMs >= struckMs);
    const { poisonIndex } = simulation.hooks;
    if (poisonIndex !== undefined) this.upgrade(poisonIndex);
    this.until("all changes of the members have ended", () => simulation.administrator.pending === 0);
    this.endForgotten();
    for (const group of simulation.groupChecks.keys()) {
      const name = nameOf(group);
      this.until(`${name} has one established leader that all follow`, () => this.leader(group) !== undefined);
      this.until(`all who have joined count in ${name}, and no other node is there`, () => this.isSettled(group));
    }
    this.until("every node is repaired", () => simulation.nodes.every(({ isSound }) => isSound));
    this.until("all nodes know that every disk has room", () => this.processes().every(seesRoom));
    for (const [group, { raft }] of simulation.groupChecks) {
      const target = raft.committedIndex;
      this.until(`all nodes apply entry ${target} of ${nameOf(group)}`, () =>
        this.members(group).every(({ machine }) => machine.appliedIndex >= target),
      );
    }
    this.until("all requests end", () => this.pendingRequests === 0);
    for (const node of simulation.nodes) this.probe(node);
    this.drain();
    const known = Math.min(...simulation.nodes.map(({ knownLevel }) => knownLevel));
    this.until(`the feature level is ${known}`, () =>
      this.processes().every(({ groups }) => groups.every(({ machine }) => machine.featureLevel === known)),
    );
    this.until("nothing is on its way to the log", () =>
      this.processes().every(({ groups }) => groups.every(({ host }) => host.ingress.outstandingCount === 0)),
    );
    this.until("all nodes have applied the same", () =>
      [...simulation.groupChecks.keys()].every((group) => this.isLevel(group)),
    );
    simulation.workload.checkLeft((operation) => simulation.judge.isCleared(operation));
    for (const node of simulation.nodes) {
      for (const { checks, machine } of node.process?.groups ?? []) {
        checks.applied.compareDigest(node.id, checks.applied.lastIndex, machine);
      }
    }
  }

  /** Every message that was confirmed reaches somebody, or is a dead letter (liveness of the queues). */
  private drain(): void {
    const { queues, shardJudge, nodes } = this.simulation;
    if (queues === undefined) return;
    const isDrained = ({ shard }: SimProcess): boolean => {
      if (shard === undefined) return false;
      const states = simQueues.map((queue) => shard.queues.view(queue));
      return states.every(({ ready, delayed, inFlight }) => ready + delayed + inFlight === 0);
    };
    queues.drain();
    this.until("all messages are acked, or dead letters", () => this.processes().every(isDrained), DRAINED_WITHIN_MS);
    queues.stop();
    this.until("all requests of consumers end", () => queues.pending === 0);
    for (const { process } of nodes) if (process?.shard !== undefined) shardJudge.count(process.shard.queues);
  }

  private get pendingRequests(): number {
    const { workload, queues } = this.simulation;
    return workload.pending + (queues?.pending ?? 0);
  }

  /** The group on each node that runs. */
  private members(group: GroupId): SimGroup[] {
    return this.processes().flatMap(({ groups }) => groups.filter(({ host }) => host.group === group));
  }

  /**
   * Its people end a node that was removed, and that nobody can tell. ↯ Removed behind a partition, and all whom it knew were
   * replaced meanwhile, too: it stands for election for ever, and nobody hears it.
   */
  private endForgotten(): void {
    const { nodes, network, checks } = this.simulation;
    for (const node of [...nodes]) {
      if (!checks.raft.members.isMember(node.id) && network.isForgotten(node.id)) node.end();
    }
  }

  /** Every node meets the poison entry and stops, but stays up; those that have another version serve again. */
  private upgrade(poisonIndex: number): void {
    const { simulation } = this;
    const { nodes, checks } = simulation;
    if (checks.raft.committedIndex >= poisonIndex) {
      this.until(`all nodes have stopped at entry ${poisonIndex}`, () =>
        nodes.every(({ process }) => process?.host.stopped?.index === poisonIndex),
      );
      this.until("all requests end", () => this.pendingRequests === 0);
    }
    simulation.upgraded = true;
    for (const node of nodes) {
      node.crash("process");
      node.start();
      // The others store what the first one commits, and serve nothing yet.
      this.until(`${node.name} serves`, () => node.process?.host.ingress.isRegistered === true);
      this.probe(node);
    }
  }

  private processes(): SimProcess[] {
    return this.simulation.nodes.flatMap(({ process }) => (process === undefined ? [] : [process]));
  }

  private leader(group: GroupId): SimGroup | undefined {
    const members = this.members(group);
    const leader = members.find(({ host }) => host.raft.established);
    if (members.length < this.simulation.nodes.length || leader === undefined) return undefined;
    const { term, leader: id } = leader.host.raft;
    // A shard that began on a few nodes takes in the others, and they hear of it then.
    const follow = members.filter(
      ({ host }) => group === 0 || roleIn(leader.host.raft.configuration, host.raft.self) !== "none",
    );
    return follow.every(({ host }) => host.raft.term === term && host.raft.leader === id) ? leader : undefined;
  }

  private isSettled(group: GroupId): boolean {
    const { voters = [], learners } = this.leader(group)?.host.raft.configuration ?? {};
    const there = this.simulation.nodes.map(({ id }) => id);
    return learners?.length === 0 && String(voters) === String(there.sort((a, b) => a - b));
  }

  private isLevel(group: GroupId): boolean {
    const lastIndex = this.simulation.groupChecks.get(group)?.applied.lastIndex;
    const members = this.members(group);
    return (
      members.length === this.simulation.nodes.length &&
      members.every(({ machine }) => machine.appliedIndex === lastIndex)
    );
  }

  private until(what: string, reached: () => boolean, withinMs = WITHIN_MS): void {
    const { simulation } = this;
    const { scheduler } = simulation;
    const deadlineMs = scheduler.nowMs + withinMs;
    const lastEvent = simulation.events + WITHIN_EVENTS * (withinMs / WITHIN_MS);
    while (!reached()) {
      check(scheduler.nowMs < deadlineMs && simulation.events < lastEvent, "liveness", () => {
        return `${withinMs} ms after the last fault it is not so that ${what} (${this.describe()})`;
      });
      simulation.step();
    }
  }

  /** A lock that nobody else wants is taken and released through the node. */
  private probe(node: SimNode): void {
    const lock = `probe-${node.id}`;
    const principal = { kind: "owner", name: "probe" } as const;
    const grant = this.ask(node, { type: "acquire", lock, mode: "exclusive", principal, ttlMs: 10_000, waitMs: 0 });
    if (grant.type !== "granted") throw new Violation("liveness", `${node.name} answers ${JSON.stringify(grant)}`);
    const { fencingToken } = grant;
    const released = this.ask(node, { type: "release", lock, holder: principal, fencingToken });
    check(released.type === "released", "liveness", () => `${node.name} answers ${JSON.stringify(released)}`);
  }

  private ask(node: SimNode, command: Parameters<SimProcess["host"]["ingress"]["submit"]>[0]): LockResult {
    const { process } = node;
    if (process === undefined) throw new Violation("liveness", `${node.name} does not run`);
    const idempotencyKey = `probe-${++this.asked}`;
    let result: LockResult | undefined;
    const submit = (tries: number): void => {
      process.host.ingress.submit(command, process.engine.nowMs(), { idempotencyKey }, (end) => {
        if ("result" in end) result = end.result;
        // One entry on its way at a time, over a slow network: what came before takes its time.
        else if (end.failure === "outcome_unknown" && tries > 1) submit(tries - 1);
        else throw new Violation("liveness", `${node.name} refuses a request: ${end.failure}`);
      });
      process.engine.wake();
    };
    submit(PROBE_TRIES);
    this.until(`${node.name} answers`, () => result !== undefined);
    return result as LockResult;
  }

  private describe(): string {
    const states = this.simulation.nodes.map(({ name, process }) => {
      if (process === undefined) return `${name} down`;
      return process.groups.map(({ host: { raft, group } }) => {
        const where = group === 0 ? name : `shard ${group} of ${name}`;
        return `${where} ${raft.role} ${raft.term} commit ${raft.log.commitIndex} applied ${raft.log.appliedIndex}`;
      });
    });
    return `${states.flat().join(", ")}; ${this.pendingRequests} requests open`;
  }
}
