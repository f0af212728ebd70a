import { type Hashed, HashTable, hashText } from "../kernel/hash-table.ts";
import { changes, type Transitions } from "./transitions.ts";

class Fence implements Hashed<Fence> {
  chained: Fence | undefined = undefined;

  constructor(
    readonly key: string,
    readonly hash: number,
    public highest: number,
  ) {}
}

/** The highest token that each resource has accepted: max-registers (PROTOCOLS L3). */
export class Fences {
  private readonly byResource = new HashTable<Fence>();

  constructor(private readonly transitions: Transitions) {}

  get size(): number {
    return this.byResource.size;
  }

  find(resource: string): number | undefined {
    return this.byResource.get(resource)?.highest;
  }

  /** @returns the highest token seen, this one included: the token is accepted exactly if it is that one */
  offer(resource: string, token: number): number {
    const hash = hashText(resource);
    const fence = this.byResource.get(resource, hash);
    if (fence === undefined) this.byResource.add(new Fence(resource, hash, token));
    else if (fence.highest < token) fence.highest = token;
    const highest = fence?.highest ?? token;
    this.transitions.note(changes.fenced, hash, highest);
    return highest;
  }

  /** In no order that may matter. */
  values(): Iterable<{ readonly key: string; readonly highest: number }> {
    return this.byResource.values();
  }

  /** In an order that tells nothing, the same on every replica. */
  ordered(): Iterable<{ readonly key: string; readonly highest: number }> {
    return this.byResource.ordered();
  }
}
