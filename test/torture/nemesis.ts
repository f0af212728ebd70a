import { Prng } from "../../src/kernel/prng.ts";
import { unreachable } from "../../src/kernel/assert.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/node-client.ts";
import type { NamespaceNetwork } from "../support/namespace-network.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import type { Disks } from "./disks.ts";
import { type PlannedFault, shuffled } from "./faults.ts";
import type { FaultRecord, History, RecoveryRecord } from "./history.ts";
import type { Observer } from "./observer.ts";

/** A node that was asked to stop has so long: its hand-over, its last replies, its log. */
const STOP_MS = 20_000;
/** A node that was started is waited for so long, before the next one is stopped. */
const READY_MS = 5_000;

export interface NemesisTools {
  readonly cluster: ProcessCluster;
  readonly history: History;
  readonly observer: Observer;
  /** Where nodes can be cut off from their clients, too. */
  readonly namespaces: NamespaceNetwork | undefined;
  /** Where disks can be filled up. */
  readonly disks: Disks | undefined;
  /** Told of each fault as it begins. */
  readonly onFault: (what: string) => void;
}

/** Ends whatever was done: everybody runs and hears everybody. */
export function heal(cluster: ProcessCluster): void {
  cluster.heal();
  for (const { id, paused } of cluster.nodes) {
    if (paused) cluster.signal(id, "SIGCONT");
    else if (!cluster.runningIds.includes(id)) cluster.startNode(id);
  }
}

/** Carries planned faults out, one after the other. */
export class Nemesis {
  private stopping = false;
  private done = 0;

  /** @param atLeast so many faults are carried out, also if the time is up before */
  constructor(
    private readonly tools: NemesisTools,
    private readonly atLeast: number,
  ) {}

  /** Until {@link stop} is called; a fault that has begun then is over soon. */
  async run(plan: Iterable<PlannedFault>): Promise<void> {
    for (const fault of plan) {
      await this.wait(fault.afterMs);
      if (this.isOver) return;
      await this.carryOut(fault);
      this.done++;
    }
  }

  stop(): void {
    this.stopping = true;
  }

  private get isOver(): boolean {
    return this.stopping && this.done >= this.atLeast;
  }

  private async carryOut(fault: PlannedFault): Promise<void> {
    const { history } = this.tools;
    const prng = new Prng(fault.seed);
    const from_us = history.nowUs();
    const { nodes, detail } = await this.strike(fault, prng);
    const to_us = history.nowUs();
    history.add<FaultRecord>({ type: "fault", fault: fault.kind, nodes, detail, from_us, to_us });
  }

  private async strike(fault: PlannedFault, prng: Prng): Promise<{ nodes: readonly string[]; detail: string }> {
    const { cluster } = this.tools;
    const { kind, lastsMs } = fault;
    const seconds = (lastsMs / 1_000).toFixed(1);
    switch (kind) {
      case "kill": {
        const node = this.target(prng);
        const detail = this.announce(kind, `${node} for ${seconds} s`);
        await cluster.kill(node);
        await this.wait(lastsMs);
        cluster.startNode(node);
        return { nodes: [node], detail };
      }
      case "pause": {
        const node = this.target(prng);
        const detail = this.announce(kind, `${node} for ${seconds} s`);
        cluster.signal(node, "SIGSTOP");
        await this.wait(lastsMs);
        cluster.signal(node, "SIGCONT");
        return { nodes: [node], detail };
      }
      case "restart-all": {
        const detail = this.announce(kind, `all killed for ${(lastsMs / 4_000).toFixed(1)} s`);
        await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
        await this.wait(lastsMs / 4);
        for (const id of cluster.ids) cluster.startNode(id);
        return { nodes: cluster.ids, detail };
      }
      case "rolling": {
        const nodes = shuffled(cluster.ids, prng);
        const detail = this.announce(kind, nodes.join(", "));
        for (const node of nodes) await this.restart(node);
        return { nodes, detail };
      }
      case "disk-full": {
        const order = shuffled(cluster.ids, prng);
        const nodes = prng.chance(0.5) ? [this.target(prng)] : order.slice(0, 1 + prng.int(order.length));
        const detail = this.announce(kind, `${nodes.join(", ")} for ${seconds} s`);
        return { nodes, detail: `${detail}, ${await this.fillDisks(nodes, lastsMs, prng.chance(0.4))}` };
      }
      case "transfer": {
        const node = prng.pick(cluster.ids);
        const detail = this.announce(kind, `to ${node}`);
        await this.transfer(node, prng);
        return { nodes: [node], detail };
      }
      case "partition":
      case "one-way": {
        const { nodes, text, cut } = kind === "partition" ? this.partition(prng) : this.oneWay(prng);
        const detail = this.announce(kind, `${text} for ${seconds} s`);
        cut();
        await this.wait(lastsMs);
        cluster.heal();
        return { nodes, detail };
      }
      default:
        return unreachable(kind);
    }
  }

  /** Until a node has noticed, and for so long more. @param restart one of them is killed and starts on a full disk */
  private async fillDisks(nodes: readonly string[], lastsMs: number, restart: boolean): Promise<string> {
    const { cluster, disks } = this.tools;
    const [first] = nodes;
    const noticed = (await disks?.fill(nodes)) === true;
    if (restart && noticed && first !== undefined) {
      await cluster.kill(first);
      cluster.startNode(first);
    }
    await this.wait(lastsMs);
    disks?.clear(nodes);
    return noticed ? `noticed${restart ? `, ${first} restarted` : ""}` : "not noticed";
  }

  private partition(prng: Prng) {
    const { cluster, namespaces } = this.tools;
    const target = this.target(prng);
    const way = prng.int(namespaces === undefined ? 3 : 4);
    if (way === 3) {
      return { nodes: [target], text: `${target} unplugged`, cut: () => namespaces?.unplug(target) };
    }
    const order = [target, ...shuffled(cluster.others(target), prng)];
    const smaller = way === 0 ? 1 : Math.floor(order.length / 2);
    const halves = [order.slice(0, smaller), order.slice(smaller)];
    const groups = way === 2 ? order.map((id) => [id]) : halves;
    const text = groups.map((group) => group.join(" ")).join(" | ");
    return { nodes: order, text, cut: () => cluster.partition(...groups) };
  }

  private oneWay(prng: Prng) {
    const { cluster } = this.tools;
    const target = this.target(prng);
    const others = cluster.others(target);
    const other = prng.pick(others);
    switch (prng.int(3)) {
      case 0:
        return { nodes: [target], text: `${target} hears nobody`, cut: () => cluster.deafen(target) };
      case 1: {
        const mute = () => others.forEach((id) => cluster.blockOneWay(target, id));
        return { nodes: [target], text: `nobody hears ${target}`, cut: mute };
      }
      default: {
        const text = `${other} does not hear ${target}`;
        return { nodes: [target, other], text, cut: () => cluster.blockOneWay(target, other) };
      }
    }
  }

  /** Stops a node as an operator does, and waits until it is back, if it can be. */
  private async restart(node: string): Promise<void> {
    const { cluster, history } = this.tools;
    const from_us = history.nowUs();
    // A process that has just been started dies of what it cannot hear yet.
    const answers = eventually(() => cluster.root(node), { deadlineMs: STOP_MS, what: `${node} answers` });
    const code = await answers.then(
      () => Promise.race([cluster.stop(node), Bun.sleep(STOP_MS).then(() => "late" as const)]),
      () => "silent" as const,
    );
    if (code !== 0) {
      const what = `${node}, asked to stop, ends with code 0 (${String(code)})`;
      history.add<RecoveryRecord>({ type: "recovery", what, done: false, from_us, to_us: history.nowUs() });
      await cluster.kill(node);
    }
    cluster.startNode(node);
    // It need not be: the network has faults of its own at the same time.
    await cluster.ready(node, READY_MS).catch(() => undefined);
  }

  private async transfer(to: string, prng: Prng): Promise<void> {
    const { cluster } = this.tools;
    // Any answer will do, and none: the node asked may be down.
    await call("POST", `${cluster.url(prng.pick(cluster.ids))}/cluster/transfer?to=${to}`, { timeoutMs: 2_000 }).catch(
      () => undefined,
    );
  }

  /** The leader, every other time. */
  private target(prng: Prng): string {
    const node = prng.pick(this.tools.cluster.ids);
    return prng.chance(0.5) ? (this.tools.observer.leader ?? node) : node;
  }

  private announce(kind: string, what: string): string {
    const detail = this.tools.observer.leader === undefined ? what : `${what} (${this.tools.observer.leader} leads)`;
    this.tools.onFault(`${kind}: ${detail}`);
    return detail;
  }

  /** Less when the run is over. */
  private async wait(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!this.isOver && performance.now() < endMs) await Bun.sleep(Math.min(50, endMs - performance.now()));
  }
}
