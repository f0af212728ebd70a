import type { GroupLog } from "../../raft/storage.ts";
import type { HardState, ReplicaId } from "../../raft/types.ts";
import type { LogRecord } from "../../wal/records.ts";
import { check } from "../violation.ts";

/** What one node has been told is on its disk. */
interface DurableState {
  readonly hardState: HardState;
  /** Where the log begins: what stands before is compacted. */
  readonly startIndex: number;
  /** Term of the entry at startIndex, 0 for none, and of each one behind it. */
  readonly terms: readonly number[];
}

const NOTHING: DurableState = { hardState: { term: 0, vote: 0 }, startIndex: 0, terms: [0] };

/**
 * One node's disk as its log promised it: what a flush reported durable must be there after every crash, and what a
 * crash cut short is there as a whole or not at all (PROTOCOLS D4–D6).
 */
export class DurableNode {
  private state: DurableState = NOTHING;
  /** The state with the flush that is under way. */
  private next: DurableState | undefined;

  constructor(private readonly node: ReplicaId) {}

  get term(): number {
    return this.state.hardState.term;
  }

  get vote(): ReplicaId {
    return this.state.hardState.vote;
  }

  get lastIndex(): number {
    return this.state.startIndex + this.state.terms.length - 1;
  }

  termAt(index: number): number | undefined {
    return this.state.terms[index - this.state.startIndex];
  }

  flushing(records: readonly LogRecord[]): void {
    let { hardState, startIndex } = this.state;
    let terms = [...this.state.terms];
    for (const record of records) {
      if (record.type === "hardState") hardState = record.hardState;
      else if (record.type === "truncate") terms.length = record.fromIndex - startIndex;
      else if (record.type === "logStart") {
        const { index, term } = record.point;
        terms = record.keepsRest ? terms.slice(index - startIndex) : [term];
        startIndex = index;
      } else for (const entry of record.entries) terms.push(entry.term);
    }
    this.checkHardState(hardState);
    this.next = { hardState, startIndex, terms };
  }

  durable(): void {
    if (this.next !== undefined) this.state = this.next;
    this.next = undefined;
  }

  /** The node opened its log again: it knows all that was durable, with or without the flush that was cut short. */
  recovered(log: GroupLog | undefined): void {
    const found: DurableState = {
      hardState: log?.hardState ?? NOTHING.hardState,
      startIndex: log?.compacted?.index ?? 0,
      terms: [log?.compacted?.term ?? 0, ...expandRuns(log)],
    };
    const whole = this.next !== undefined && isEqual(found, this.next);
    check(whole || isEqual(found, this.state), "D5 what was durable survives", () => {
      return `node${this.node} recovered ${describe(found)}, but had made durable ${describe(this.state)}`;
    });
    this.state = found;
    this.next = undefined;
  }

  private checkHardState({ term, vote }: HardState): void {
    const before = this.state.hardState;
    const kept = term > before.term || (term === before.term && (before.vote === 0 || before.vote === vote));
    check(kept, "D1 term and vote are kept", () => {
      return `node${this.node} writes term ${term}, vote ${vote} after term ${before.term}, vote ${before.vote}`;
    });
  }
}

function expandRuns(log: GroupLog | undefined): number[] {
  const terms: number[] = [];
  if (log === undefined) return terms;
  for (const [i, run] of log.termRuns.entries()) {
    const end = log.termRuns[i + 1]?.firstIndex ?? log.lastIndex + 1;
    for (let index = run.firstIndex; index < end; index++) terms.push(run.term);
  }
  return terms;
}

function isEqual(a: DurableState, b: DurableState): boolean {
  if (a.hardState.term !== b.hardState.term || a.hardState.vote !== b.hardState.vote) return false;
  if (a.startIndex !== b.startIndex || a.terms.length !== b.terms.length) return false;
  for (let i = 0; i < a.terms.length; i++) if (a.terms[i] !== b.terms[i]) return false;
  return true;
}

function describe({ hardState, startIndex, terms }: DurableState): string {
  const lastIndex = startIndex + terms.length - 1;
  return `term ${hardState.term}, vote ${hardState.vote}, entries ${startIndex + 1} to ${lastIndex}, term ${terms.at(-1) ?? 0}`;
}
