import type { Entry } from "../../raft/types.ts";
import { check } from "../violation.ts";

/**
 * From where new leaders resume lease time: where the last entry of their log left off, or its leader later (PROTOCOLS T1). What
 * other leaders said, whose entries did not come, is void.
 */
export class LeaseOrigins {
  /** By term: the largest that its leader said. */
  private readonly saidMs = new Map<number, number>();

  /** @param maxStepMs the most that lease time gains in a turn */
  constructor(private readonly maxStepMs: number) {}

  said(term: number, leaseTimeMs: number): void {
    if (leaseTimeMs > (this.saidMs.get(term) ?? -1)) this.saidMs.set(term, leaseTimeMs);
  }

  /**
   * @param before the entry in front of it
   * @param isOwn of the same leader: what it came to in its last turn it had said to nobody
   */
  opened(noop: Entry, before: Entry, isOwn: boolean): void {
    const saidMs = this.saidMs.get(before.term) ?? 0;
    const mostMs = Math.max(before.leaseTimeMs, isOwn ? saidMs + this.maxStepMs : saidMs);
    check(noop.leaseTimeMs <= mostMs, "T1 a new leader resumes where its log left off", () => {
      return `term ${noop.term} begins at ${noop.leaseTimeMs} ms, the leader of entry ${before.term}/${before.index} came to ${mostMs} ms`;
    });
  }
}
