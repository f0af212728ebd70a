/** What a {@link HashTable} holds. An element is in one table at most. */
export interface Hashed<Element> {
  readonly key: string;
  /** `hashText(key)`. */
  readonly hash: number;
  /** Written by the table alone. */
  chained: Element | undefined;
}

const MIN_BUCKETS = 8;

/**
 * Elements by their key: linear hashing (Litwin, VLDB 1980) with chains through the elements.
 *
 * Two things that the language's own `Map` does not give. A key that comes and goes leaves nothing behind: a `Map`
 * keeps deleted places in its chains until it is rebuilt, so one busy key beside 100,000 others costs 50 µs instead of
 * half of one. And it grows and shrinks by a bucket at a time: no pause while a million entries move (PROTOCOLS D10).
 */
export class HashTable<Element extends Hashed<Element>> {
  private readonly buckets: (Element | undefined)[] = [];
  /** Buckets at the start of this round of splitting: a power of two. */
  private level = MIN_BUCKETS;
  size = 0;

  constructor() {
    for (let i = 0; i < MIN_BUCKETS; i++) this.buckets.push(undefined);
  }

  get(key: string, hash = hashText(key)): Element | undefined {
    let element = this.buckets[this.slot(hash)];
    while (element !== undefined && (element.hash !== hash || element.key !== key)) element = element.chained;
    return element;
  }

  /** The key must not be in the table yet. */
  add(element: Element): void {
    this.link(element);
    this.size += 1;
    if (this.size > this.buckets.length) this.split();
  }

  /** The element must be in this table. */
  remove(element: Element): void {
    const slot = this.slot(element.hash);
    let other = this.buckets[slot];
    if (other === element) this.buckets[slot] = element.chained;
    else {
      while (other !== undefined && other.chained !== element) other = other.chained;
      if (other !== undefined) other.chained = element.chained;
    }
    element.chained = undefined;
    this.size -= 1;
    if (this.size * 4 < this.buckets.length && this.buckets.length > MIN_BUCKETS) this.merge();
  }

  /** In an order that tells nothing. The table must not change meanwhile. */
  *values(): Generator<Element> {
    for (const first of this.buckets) {
      for (let element = first; element !== undefined; element = element.chained) yield element;
    }
  }

  /**
   * In an order that the elements alone decide: by their hashes with the bits reversed, then by key. So a bucket and the one
   * that it is split into stand side by side, and nothing but chains is sorted. The table must not change meanwhile.
   */
  *ordered(): Generator<Element> {
    const unused = Math.clz32(this.level) + 1;
    for (let i = 0; i < this.level; i++) {
      const slot = reverseBits(i) >>> unused;
      yield* this.chain(slot);
      if (slot + this.level < this.buckets.length) yield* this.chain(slot + this.level);
    }
  }

  private chain(slot: number): Element[] {
    const chain: Element[] = [];
    for (let element = this.buckets[slot]; element !== undefined; element = element.chained) chain.push(element);
    return chain.length > 1 ? chain.sort(byReversedHash) : chain;
  }

  /** Buckets that were split in this round are told apart by one more bit. */
  private slot(hash: number): number {
    const slot = hash & (this.level - 1);
    return slot < this.buckets.length - this.level ? hash & (2 * this.level - 1) : slot;
  }

  private link(element: Element): void {
    const slot = this.slot(element.hash);
    element.chained = this.buckets[slot];
    this.buckets[slot] = element;
  }

  private split(): void {
    const slot = this.buckets.length - this.level;
    const chain = this.buckets[slot];
    this.buckets[slot] = undefined;
    this.buckets.push(undefined);
    this.relink(chain);
    if (this.buckets.length === 2 * this.level) this.level *= 2;
  }

  /** Undoes the last split. */
  private merge(): void {
    if (this.buckets.length === this.level) this.level /= 2;
    this.relink(this.buckets.pop());
  }

  private relink(chain: Element | undefined): void {
    for (let element = chain; element !== undefined;) {
      const next: Element | undefined = element.chained;
      this.link(element);
      element = next;
    }
  }
}

function byReversedHash(a: { hash: number; key: string }, b: { hash: number; key: string }): number {
  if (a.hash !== b.hash) return reverseBits(a.hash) - reverseBits(b.hash);
  return a.key < b.key ? -1 : 1;
}

/** Of 32 bits, as an integer in 0…2³²−1. */
function reverseBits(word: number): number {
  let bits = word;
  bits = ((bits >>> 1) & 0x55555555) | ((bits & 0x55555555) << 1);
  bits = ((bits >>> 2) & 0x33333333) | ((bits & 0x33333333) << 2);
  bits = ((bits >>> 4) & 0x0f0f0f0f) | ((bits & 0x0f0f0f0f) << 4);
  bits = ((bits >>> 8) & 0x00ff00ff) | ((bits & 0x00ff00ff) << 8);
  return ((bits >>> 16) | (bits << 16)) >>> 0;
}

/** A hash of 32 bits: FNV-1a with a final mix, since the table looks at the low bits. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return hash ^ (hash >>> 13);
}
