import type { AppendReply, AppendRequest } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** What each leader said that its log holds. */
export class ToldEntries {
  /** Term of the entry, by its index and the leader's term. */
  private readonly terms = new Map<number, number>();

  append({ term, prevIndex, prevTerm, entries }: AppendRequest): void {
    this.terms.set(prevIndex * TERMS + term, prevTerm);
    for (const entry of entries) this.terms.set(entry.index * TERMS + term, entry.term);
  }

  /** @param durable term of the entry at that index on the disk of whoever acknowledges; undefined: compacted */
  acknowledged({ success, from, term, index }: AppendReply, durable: number | undefined): void {
    const told = this.terms.get(index * TERMS + term);
    if (!success || told === undefined || durable === undefined) return;
    check(told === durable, "D2 a reply speaks of the leader's own entry", () => {
      return `node${from} acknowledges ${told}/${index} to the leader of term ${term}, and holds ${durable}/${index}`;
    });
  }
}
