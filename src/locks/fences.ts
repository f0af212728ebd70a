/** The highest token that each resource has accepted: max-registers (PROTOCOLS L3). */
export class Fences {
  private readonly highest = new Map<string, number>();

  get size(): number {
    return this.highest.size;
  }

  find(resource: string): number | undefined {
    return this.highest.get(resource);
  }

  /** @returns the highest token seen, this one included: the token is accepted exactly if it is that one */
  offer(resource: string, token: number): number {
    const before = this.highest.get(resource);
    if (before !== undefined && before >= token) return before;
    this.highest.set(resource, token);
    return token;
  }

  /** In no order that may matter. */
  entries(): Iterable<[resource: string, highest: number]> {
    return this.highest;
  }
}
