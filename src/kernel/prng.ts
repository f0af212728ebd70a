import { assert } from "./assert.ts";

/**
 * A seeded generator: sfc32 (Doty-Humphrey, PractRand), 128 bits of state. For simulation and jitter, not for secrets.
 * The same seed gives the same numbers for ever: recorded seeds depend on it.
 */
export class Prng {
  private a: number;
  private b: number;
  private c: number;
  private counter = 1;

  /** @param seed an integer in 0…2⁵³−1 */
  constructor(seed: number) {
    assert(Number.isSafeInteger(seed) && seed >= 0, "a seed is an integer in 0…2^53-1");
    this.a = seed | 0;
    this.b = Math.floor(seed / 0x1_0000_0000) | 0;
    this.c = 0x6d756661;
    // Neighbouring seeds differ in a few bits only; these rounds spread them over the state.
    for (let round = 0; round < 16; round++) this.uint32();
  }

  /** Uniform in 0…2³²−1. */
  uint32(): number {
    const sum = (this.a + this.b + this.counter) | 0;
    this.counter = (this.counter + 1) | 0;
    this.a = this.b ^ (this.b >>> 9);
    this.b = (this.c + (this.c << 3)) | 0;
    this.c = (((this.c << 21) | (this.c >>> 11)) + sum) | 0;
    return sum >>> 0;
  }

  /** Uniform in [0, 1), with 53 bits. */
  next(): number {
    return ((this.uint32() >>> 5) * 0x400_0000 + (this.uint32() >>> 6)) / 0x20_0000_0000_0000;
  }

  /** A uniform integer in 0…bound−1. */
  int(bound: number): number {
    assert(Number.isSafeInteger(bound) && bound > 0, "a bound is a positive integer");
    return Math.floor(this.next() * bound);
  }

  /** One element of a non-empty array. */
  pick<Element>(array: readonly Element[]): Element {
    assert(array.length > 0, "nothing to pick from");
    return array[this.int(array.length)] as Element;
  }

  /** True with the given probability. */
  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
