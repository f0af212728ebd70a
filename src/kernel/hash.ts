/**
 * An incremental hash of 53 bits (two multiply-and-xor lanes with a final avalanche): to compare, not to defend
 * against someone who looks for collisions.
 */
export class Hash {
  private low = 0x2545f491;
  private high = 0x9e3779b9;

  /** Starts anew. */
  reset(): this {
    this.low = 0x2545f491;
    this.high = 0x9e3779b9;
    return this;
  }

  /** @param value an integer in 0…2⁵³−1 */
  integer(value: number): this {
    this.word(value | 0);
    this.word(Math.floor(value / 0x1_0000_0000) | 0);
    return this;
  }

  /** Length first, so that "ab","c" differs from "a","bc". */
  text(value: string): this {
    this.word(value.length);
    for (let i = 0; i < value.length; i++) this.word(value.charCodeAt(i));
    return this;
  }

  /** A tree of plain values; the order of an object's keys does not count, and undefined counts as absent. */
  value(value: unknown): this {
    if (typeof value === "number") return this.text("n").integer(value);
    if (typeof value === "string") return this.text("s").text(value);
    if (Array.isArray(value)) {
      this.text("a").integer(value.length);
      for (const element of value) this.value(element);
      return this;
    }
    if (typeof value !== "object" || value === null) return this.text(String(value));
    this.text("o");
    const fields = Object.entries(value).filter(([, field]) => field !== undefined);
    fields.sort(([a], [b]) => (a < b ? -1 : 1));
    for (const [name, field] of fields) this.text(name).value(field);
    return this.text("e");
  }

  /** What was hashed so far, as an integer in 0…2⁵³−1. */
  finish(): number {
    let low = Math.imul(this.low ^ (this.low >>> 16), 2246822507);
    low ^= Math.imul(this.high ^ (this.high >>> 13), 3266489909);
    let high = Math.imul(this.high ^ (this.high >>> 16), 2246822507);
    high ^= Math.imul(low ^ (low >>> 13), 3266489909);
    return (high & 0x1f_ffff) * 0x1_0000_0000 + (low >>> 0);
  }

  private word(word: number): void {
    this.low = Math.imul(this.low ^ word, 2654435761);
    this.high = Math.imul(this.high ^ word, 1597334677);
    this.low ^= this.low >>> 15;
    this.high ^= this.high >>> 15;
  }
}
