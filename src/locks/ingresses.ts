import { hashText } from "../kernel/hash-table.ts";
import { OperationWindow } from "../kernel/operation-window.ts";
import type { Hold, Wait } from "./records.ts";
import type { PermitHold } from "./semaphores.ts";
import { changes, type Transitions } from "./transitions.ts";
import type { LockResult } from "./types.ts";

/** One process that takes requests in, and what became of its operations (PROTOCOLS Q1). */
export class Ingress {
  readonly window = new OperationWindow<LockResult>();
  /** Operations without a result yet. They stay when the floor passes them: "seen applied" is not "answered". */
  readonly waiting = new Map<number, Wait>();
  /** Holds by the operation that they were last answered to, for a cancel that comes after the floor has passed. */
  readonly granted = new Map<number, Hold | Set<Hold> | PermitHold>();

  constructor(
    readonly id: number,
    readonly node: string,
  ) {}
}

/** At most one process of each node takes requests in; its predecessors are known for a while. */
export class Ingresses {
  private readonly current = new Map<number, Ingress>();
  private readonly byNode = new Map<string, { active: Ingress; retired: Ingress[] }>();

  constructor(private readonly transitions: Transitions) {}

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
    this.transitions.note(changes.ingress, ingress.id, hashText(ingress.node), slot?.active.id);
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
