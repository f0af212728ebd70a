/**
 * A hash of every change of the state, in the order in which they happened (PROTOCOLS R8): replicas that did the same have
 * the same, and one that ever did something else, or in another order, differs from then on. Two lanes of 32 bits, each
 * of which every note maps one to one, so a difference is never forgotten; no allocation. To compare, not to defend.
 */
export class TransitionHash<Change extends number> {
  private low = 0x2545f491;
  private high = 0x9e3779b9 | 0;

  /**
   * @param change what happened, as a number of its own
   * @param a, b, c integers in −2³¹…2⁵³−1
   */
  note(change: Change, a = 0, b = 0, c = 0): void {
    let { low, high } = this;
    low = Math.imul(low ^ a, 0x9e3779b1);
    high = Math.imul(high ^ (a + change), 0x5f356495);
    low = Math.imul(low ^ (low >>> 15) ^ b, 0x85ebca77);
    high = Math.imul(high ^ (high >>> 15) ^ b, 0xc2b2ae3d);
    low = Math.imul(low ^ (low >>> 13) ^ (c + change), 0x27d4eb2f);
    high = Math.imul(high ^ (high >>> 13) ^ c, 0x165667b1);
    // Few numbers are beyond 32 bits: identities, and lease times after three weeks.
    if ((a | 0) !== a || (b | 0) !== b || (c | 0) !== c) {
      low = Math.imul(low ^ highHalf(a) ^ Math.imul(highHalf(b), 0x9e3779b1), 0x85ebca77);
      high = Math.imul(high ^ highHalf(b) ^ Math.imul(highHalf(c), 0xc2b2ae3d), 0x9e3779b1);
      low = Math.imul(low ^ (low >>> 15) ^ highHalf(c), 0xc2b2ae3d);
      high = Math.imul(high ^ (high >>> 15) ^ highHalf(a), 0x27d4eb2f);
    }
    this.low = low ^ (low >>> 16);
    this.high = high ^ (high >>> 16);
  }

  /** All that {@link hash} is made of, as integers in 0…2³²−1. */
  get lanes(): readonly [low: number, high: number] {
    return [this.low >>> 0, this.high >>> 0];
  }

  /** Goes on from there. */
  resume([low, high]: readonly [low: number, high: number]): void {
    this.low = low | 0;
    this.high = high | 0;
  }

  /** An integer in 0…2⁵³−1. */
  get hash(): number {
    let low = Math.imul(this.low ^ (this.high >>> 13), 0x85ebca6b);
    low ^= low >>> 15;
    const high = Math.imul(this.high ^ (low >>> 16), 0xc2b2ae35);
    return ((high ^ (high >>> 14)) & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
  }
}

function highHalf(value: number): number {
  return Math.floor(value / 0x1_0000_0000) | 0;
}
