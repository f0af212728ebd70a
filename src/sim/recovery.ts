import type { LockResult } from "../locks/types.ts";
import type { SimNode, SimProcess } from "./sim-node.ts";
import type { Simulation } from "./simulation.ts";
import { check, Violation } from "./violation.ts";

/** After the last fault the cluster must be whole within so long, in virtual ms and in events. */
const WITHIN_MS = 40_000;
const WITHIN_EVENTS = 400_000;
/** What had struck before the last fault ended is felt within so long, in virtual ms. */
const STRUCK_WITHIN_MS = 100;

/** How often a request without an answer is made. */
const PROBE_TRIES = 4;

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
    simulation.nemesis.heal();
    // A node that was paused may meet a crash or an error of its disk that struck it meanwhile.
    const struckMs = simulation.scheduler.nowMs + STRUCK_WITHIN_MS;
    this.until("time goes on", () => simulation.scheduler.nowMs >= struckMs);
    const { poisonIndex } = simulation.hooks;
    if (poisonIndex !== undefined) this.upgrade(poisonIndex);
    this.until("all changes of the members have ended", () => simulation.administrator.pending === 0);
    this.endForgotten();
    this.until("there is one established leader that all follow", () => this.leader() !== undefined);
    this.until("all who have joined count, and no other node is there", () => this.isSettled());
    this.until("every node is repaired", () => simulation.nodes.every(({ isSound }) => isSound));
    this.until("all nodes know that every disk has room", () => this.processes().every(seesRoom));
    const target = simulation.checks.raft.committedIndex;
    this.until(`all nodes apply entry ${target}`, () =>
      this.processes().every(({ locks }) => locks.appliedIndex >= target),
    );
    this.until("all requests end", () => simulation.workload.pending === 0);
    for (const node of simulation.nodes) this.probe(node);
    const known = Math.min(...simulation.nodes.map(({ knownLevel }) => knownLevel));
    this.until(`the feature level is ${known}`, () =>
      this.processes().every(({ locks }) => locks.featureLevel === known),
    );
    this.until("nothing is on its way to the log", () =>
      this.processes().every(({ host }) => host.ingress.outstandingCount === 0),
    );
    this.until("all nodes have applied the same", () => this.isLevel());
    simulation.workload.checkLeft((operation) => simulation.judge.isCleared(operation));
    const { checks } = simulation;
    for (const node of simulation.nodes) {
      if (node.process !== undefined)
        checks.applied.compareDigest(node.id, checks.applied.lastIndex, node.process.locks);
    }
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
      this.until("all requests end", () => simulation.workload.pending === 0);
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

  private leader(): SimProcess | undefined {
    const processes = this.processes();
    const leader = processes.find(({ host }) => host.raft.established);
    if (processes.length < this.simulation.nodes.length || leader === undefined) return undefined;
    const { term, leader: id } = leader.host.raft;
    return processes.every(({ host }) => host.raft.term === term && host.raft.leader === id) ? leader : undefined;
  }

  private isSettled(): boolean {
    const { voters = [], learners } = this.leader()?.host.raft.configuration ?? {};
    const there = this.simulation.nodes.map(({ id }) => id);
    return learners?.length === 0 && String(voters) === String(there.sort((a, b) => a - b));
  }

  private isLevel(): boolean {
    const { lastIndex } = this.simulation.checks.applied;
    const processes = this.processes();
    return (
      processes.length === this.simulation.nodes.length &&
      processes.every(({ locks }) => locks.appliedIndex === lastIndex)
    );
  }

  private until(what: string, reached: () => boolean): void {
    const { simulation } = this;
    const { scheduler } = simulation;
    const deadlineMs = scheduler.nowMs + WITHIN_MS;
    const lastEvent = simulation.events + WITHIN_EVENTS;
    while (!reached()) {
      check(scheduler.nowMs < deadlineMs && simulation.events < lastEvent, "liveness", () => {
        return `${WITHIN_MS} ms after the last fault it is not so that ${what} (${this.describe()})`;
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
      const { raft } = process.host;
      return `${name} ${raft.role} ${raft.term} commit ${raft.log.commitIndex} applied ${raft.log.appliedIndex}`;
    });
    return `${states.join(", ")}; ${this.simulation.workload.pending} requests open`;
  }
}
