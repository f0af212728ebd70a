import type { Raft } from "../../raft/raft.ts";
import type { Entry } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** What a replica was before a turn. */
export interface TurnStart {
  readonly role: Raft["role"];
  readonly term: number;
  readonly lastIndex: number;
  readonly commitIndex: number;
}

/** What leaders append and commit, turn by turn, and when. */
export class AppendedEntries {
  /** By index and term, in real ms. */
  private readonly appendedMs = new Map<number, number>();

  constructor(private readonly nowMs: () => number) {}

  /** When a leader appended the entry. */
  atMs({ index, term }: Entry): number {
    return this.appendedMs.get(index * TERMS + term) ?? this.nowMs();
  }

  /** The entry is about to be written, for the first time anywhere: its leader ended in the turn in which it appended it. */
  written({ index, term }: Entry): void {
    const key = index * TERMS + term;
    if (!this.appendedMs.has(key)) this.appendedMs.set(key, this.nowMs());
  }

  /** A turn is over. */
  observe({ role, term, log }: Raft, before: TurnStart): void {
    if (role !== "leader") return;
    const led = before.role === "leader" && before.term === term;
    if (led && log.commitIndex > before.commitIndex) {
      check(log.term(log.commitIndex) === term, "R2 a leader counts copies of its own entries alone", () => {
        return `entry ${log.commitIndex} of term ${log.term(log.commitIndex)} is committed by the leader of term ${term}`;
      });
    }
    if (log.lastIndex <= before.lastIndex) return;
    const sameTerm = term === before.term;
    let ends = false;
    for (let next = before.lastIndex + 1; next <= log.lastIndex;) {
      const entries = log.slice(next, log.lastIndex, Number.POSITIVE_INFINITY);
      for (const entry of entries) {
        if (entry.term !== term) continue;
        this.written(entry);
        check(!sameTerm || !ends || entry.kind !== "command", "T2 what came in goes before the time entry", () => {
          return `entry ${entry.index} is proposed behind a time entry of the same turn`;
        });
        ends ||= entry.kind === "time";
      }
      next += entries.length;
    }
  }
}
