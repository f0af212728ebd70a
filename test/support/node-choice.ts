import type { Prng } from "../../src/kernel/prng.ts";

const AVOID_MS = 300;

/** Picks the node that is asked next. As any client would, ours ask others first when one has turned them away. */
export class NodeChoice<Node> {
  private readonly avoidUntilMs = new Map<Node, number>();

  /** @param nodes which may come and go */
  constructor(private readonly nodes: readonly Node[]) {}

  pick(prng: Prng): Node {
    const nowMs = performance.now();
    const open = this.nodes.filter((node) => (this.avoidUntilMs.get(node) ?? 0) <= nowMs);
    return prng.pick(open.length > 0 ? open : this.nodes);
  }

  /** The node has just said that it is stopping, or does not run. */
  turnAway(node: Node): void {
    this.avoidUntilMs.set(node, performance.now() + AVOID_MS);
  }
}
