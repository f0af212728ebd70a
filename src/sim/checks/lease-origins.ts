import type { Entry } from "../../raft/types.ts";
import { check } from "../violation.ts";

/**
 * From where new leaders resume lease time: where the last entry of their log left off, or its leader later (PROTOCOLS T1). What
 * other leaders said, whose entries did not come, is void.
 */
export class LeaseOrigins {
  /** By term: the largest that its leader came to, whether it told anybody or not. */
  private readonly reachedMs = new Map<number, number>();

  reached(term: number, leaseTimeMs: number): void {
    if (leaseTimeMs > (this.reachedMs.get(term) ?? -1)) this.reachedMs.set(term, leaseTimeMs);
  }

  /** @param before the entry in front of it */
  opened(noop: Entry, before: Entry): void {
    const mostMs = Math.max(before.leaseTimeMs, this.reachedMs.get(before.term) ?? 0);
    check(noop.leaseTimeMs <= mostMs, "T1 a new leader resumes where its log left off", () => {
      return `term ${noop.term} begins at ${noop.leaseTimeMs} ms, the leader of entry ${before.term}/${before.index} came to ${mostMs} ms`;
    });
  }
}
