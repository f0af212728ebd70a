import type { UpConsole } from "./console.ts";
import type { ClusterPlan } from "./plan.ts";
import { SupervisedNode } from "./supervised-node.ts";

/** A node that has not ended this long after it was asked to is killed. Longer than its own deadline. */
const STOP_DEADLINE_MS = 12_000;

/** The child processes of one `up`. */
export class Cluster {
  private readonly nodes: readonly SupervisedNode[];
  private readonly refusal = Promise.withResolvers<string>();
  private readonly refusedNodes = new Set<SupervisedNode>();
  private started = false;

  constructor(
    plan: ClusterPlan,
    command: readonly string[],
    environment: Record<string, string | undefined>,
    private readonly output: UpConsole,
  ) {
    // Nodes that have served before do not end because one of them cannot start: it was removed, or its data is lost.
    this.started = !plan.isNew;
    this.nodes = plan.nodes.map(
      (node) => new SupervisedNode(node, command, environment, output, (refused, why) => this.onRefused(refused, why)),
    );
  }

  /** Resolves with one sentence when the cluster cannot run: a node refused the first start of all, or each has refused. */
  get refused(): Promise<string> {
    return this.refusal.promise;
  }

  start(): void {
    for (const node of this.nodes) node.start();
  }

  /** From now on a node that refuses to start does not take the others with it. */
  hasStarted(): void {
    this.started = true;
  }

  async stop(): Promise<void> {
    for (const node of this.nodes) node.stop();
    const timer = setTimeout(() => {
      this.output.own(`some nodes have not ended within ${STOP_DEADLINE_MS} ms and are killed`);
      this.kill();
    }, STOP_DEADLINE_MS);
    await Promise.all(this.nodes.map((node) => node.ended()));
    clearTimeout(timer);
  }

  kill(): void {
    for (const node of this.nodes) node.kill();
  }

  private onRefused(node: SupervisedNode, sentence: string): void {
    const { id } = node.plan;
    this.refusedNodes.add(node);
    if (!this.started || this.refusedNodes.size === this.nodes.length) {
      this.refusal.resolve(`${id} cannot start: ${sentence}`);
      return;
    }
    this.output.own(`${id} cannot start and is left out until "up" runs anew: ${sentence}`);
  }
}
