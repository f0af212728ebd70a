/** One process that takes requests in (PROTOCOLS Q1). */
interface Registered {
  /** 1…2⁵³−1, random. */
  readonly id: number;
  readonly node: string;
}

/** At most one process of each node takes requests in; its predecessors are known for a while. */
export class Ingresses<Ingress extends Registered> {
  private readonly current = new Map<number, Ingress>();
  private readonly byNode = new Map<string, { active: Ingress; retired: Ingress[] }>();

  /** @param activated told of every process that begins to take requests, and of the one that gave way to it */
  constructor(private readonly activated: (ingress: Ingress, before: Ingress | undefined) => void) {}

  get nodes(): number {
    return this.byNode.size;
  }

  /** The registered process of that identity. */
  find(id: number): Ingress | undefined {
    return this.current.get(id);
  }

  /** The registered process of the node. */
  active(node: string): Ingress | undefined {
    return this.byNode.get(node)?.active;
  }

  /**
   * A process of the node that had to give way. Its window is kept: a late copy of its registration must not bring it
   * back, and one that lives after all and registers anew must not have its operations executed twice.
   */
  findRetired(node: string, id: number): Ingress | undefined {
    return this.byNode.get(node)?.retired.find((ingress) => ingress.id === id);
  }

  /** The node's process so far gives way. */
  activate(ingress: Ingress, maxRetired: number): void {
    const slot = this.byNode.get(ingress.node);
    this.activated(ingress, slot?.active);
    this.current.set(ingress.id, ingress);
    if (slot === undefined) {
      this.byNode.set(ingress.node, { active: ingress, retired: [] });
      return;
    }
    this.current.delete(slot.active.id);
    slot.retired = slot.retired.filter((other) => other !== ingress);
    slot.retired.push(slot.active);
    if (slot.retired.length > maxRetired) slot.retired.shift();
    slot.active = ingress;
  }

  /** A node that is not known yet, with its processes as {@link values} gives them. */
  insert(active: Ingress, retired: Ingress[]): void {
    this.current.set(active.id, active);
    this.byNode.set(active.node, { active, retired });
  }

  /** Nodes in no order that may matter; the retired in the order in which they gave way. */
  values(): Iterable<{ readonly active: Ingress; readonly retired: readonly Ingress[] }> {
    return this.byNode.values();
  }
}
