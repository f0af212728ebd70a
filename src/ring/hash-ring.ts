import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import { hash64 } from "./hash64.ts";

export interface RingMember {
  readonly id: string;
  /** Its share beside the others': an integer in 1…`limits.maxRingWeight`. */
  readonly weight: number;
}

/**
 * Virtual nodes per unit of weight. The share of a member with v of them has a standard deviation of 1/√v of its mean, so of 3 % here:
 * 10 % are three of those. That is likely for any ids and certain for none; a member in about a thousand strays further.
 */
export const VIRTUAL_NODES = 1024;

const TWO_53 = 0x20_0000_0000_0000;

/**
 * Consistent hashing (Karger et al., STOC 1997): each member owns the arcs of a circle that end in its points, and a key belongs
 * to whoever owns the place that it hashes to. A member that joins takes arcs, one that leaves gives its own away, and nothing
 * moves between two that stay.
 *
 * A function of the *set* of members: in which order they are given does not count, so every node comes to the same ring.
 */
export class HashRing {
  /** By id. */
  readonly members: readonly RingMember[];
  /** Rising. */
  private readonly points: Float64Array;
  /** `owners[i]`: the place in `members` of whose point `points[i]` is. */
  private readonly owners: Uint16Array;

  constructor(members: readonly RingMember[], virtualNodes = VIRTUAL_NODES) {
    assert(members.length > 0 && members.length <= limits.maxRingMembers, "a ring has members, and not too many");
    assert(Number.isSafeInteger(virtualNodes) && virtualNodes >= 1, "virtual nodes are a positive integer");
    this.members = [...members].sort(byId);
    const points: { readonly hash: number; readonly owner: number }[] = [];
    for (const [owner, { id, weight }] of this.members.entries()) {
      assert(id !== this.members[owner + 1]?.id, "a member is in a ring once");
      assert(Number.isSafeInteger(weight) && weight >= 1 && weight <= limits.maxRingWeight, "a weight is out of range");
      for (let i = 0; i < virtualNodes * weight; i++) points.push({ hash: hash64(`${i}/${id}`), owner });
    }
    // Of two points in one place the lower id's comes first, and owns it.
    points.sort((a, b) => a.hash - b.hash || a.owner - b.owner);
    this.points = Float64Array.from(points, ({ hash }) => hash);
    this.owners = Uint16Array.from(points, ({ owner }) => owner);
  }

  /** The id of the member that a key belongs to. */
  owner(key: string): string {
    return this.idAt(this.firstFrom(hash64(key)));
  }

  /** All members, each once, in the order in which the ring meets them from the key on: the owner first. */
  walk(key: string): string[] {
    const found = new Set<string>();
    const first = this.firstFrom(hash64(key));
    for (let step = 0; step < this.points.length && found.size < this.members.length; step++) {
      found.add(this.idAt((first + step) % this.points.length));
    }
    return [...found];
  }

  /** Of each member, by id: which part of all keys is its own, in 0…1. */
  shares(): Map<string, number> {
    const lengths = new Map<string, number>(this.members.map(({ id }) => [id, 0]));
    let previous = (this.points.at(-1) ?? 0) - TWO_53;
    for (const [i, point] of this.points.entries()) {
      const id = this.idAt(i);
      lengths.set(id, (lengths.get(id) ?? 0) + (point - previous));
      previous = point;
    }
    for (const [id, length] of lengths) lengths.set(id, length / TWO_53);
    return lengths;
  }

  /** The place of the first point at or behind `hash`; the circle closes behind the last. */
  private firstFrom(hash: number): number {
    let low = 0;
    let high = this.points.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.points[middle] ?? 0) < hash) low = middle + 1;
      else high = middle;
    }
    return low === this.points.length ? 0 : low;
  }

  private idAt(place: number): string {
    const member = this.members[this.owners[place] ?? 0];
    assert(member !== undefined, "a point has an owner");
    return member.id;
  }
}

function byId(a: RingMember, b: RingMember): number {
  if (a.id === b.id) return 0;
  return a.id < b.id ? -1 : 1;
}
