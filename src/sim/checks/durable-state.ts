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
  /** What it had before its log was damaged: it acknowledged that, and counts as one that has it until it is repaired. */
  private lost: DurableState | undefined;

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

  get repairing(): boolean {
    return this.state.hardState.floor !== undefined;
  }

  termAt(index: number): number | undefined {
    return termAt(this.state, index);
  }

  /** On its disk, or lost from it and remembered by the floor (PROTOCOLS D7). */
  holds(index: number, term: number): boolean {
    return this.termAt(index) === term || (this.lost !== undefined && termAt(this.lost, index) === term);
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
    this.checkFloor(hardState, startIndex + terms.length - 1, terms.at(-1) ?? 0);
    this.next = { hardState, startIndex, terms };
  }

  durable(): void {
    if (this.next !== undefined) this.state = this.next;
    this.next = undefined;
    if (!this.repairing) this.lost = undefined;
  }

  /**
   * The node opened its log again: it knows all that was durable, with or without the flush that was cut short.
   *
   * @param rotten its files were damaged since: the log may have begun anew, also in a process that died at that
   */
  recovered(log: GroupLog | undefined, rotten: boolean): void {
    const found = stateOf(log);
    const whole = this.next !== undefined && isEqual(found, this.next);
    const survived = whole || isEqual(found, this.state);
    if (!survived && rotten) this.checkRepair(found);
    else {
      check(survived, "D5 what was durable survives", () => {
        return `node${this.node} recovered ${describe(found)}, but had made durable ${describe(this.state)}`;
      });
    }
    this.state = found;
    this.next = undefined;
  }

  /** Term and vote are what they were, and the floor is no lower than what is lost. */
  private checkRepair(found: DurableState): void {
    const before = [this.state, this.next ?? this.state];
    const { term, vote, floor } = found.hardState;
    const isKept = before.some(({ hardState }) => hardState.term === term && hardState.vote === vote);
    check(isKept, "D7 a damaged log forgets no vote", () => `node${this.node} recovered ${describe(found)}`);
    const owed = this.state.hardState.floor;
    const lastIndex = owed?.index ?? this.lastIndex;
    const lastTerm = owed?.term ?? this.state.terms.at(-1) ?? 0;
    const covers =
      floor !== undefined && (floor.term > lastTerm || (floor.term === lastTerm && floor.index >= lastIndex));
    check(lastIndex === 0 || covers, "D7 the floor is no lower than what is lost", () => {
      return `node${this.node} has the floor ${floor?.term}/${floor?.index}, and had ${lastTerm}/${lastIndex}`;
    });
    this.lost ??= this.state;
  }

  private checkFloor({ floor }: HardState, lastIndex: number, lastTerm: number): void {
    const { floor: before } = this.state.hardState;
    if (before === undefined || floor !== undefined) return;
    const isReached = lastTerm > before.term || (lastTerm === before.term && lastIndex >= before.index);
    check(isReached, "D7 a floor stays until it is reached", () => {
      return `node${this.node} has ${lastTerm}/${lastIndex} again, and had ${before.term}/${before.index}`;
    });
  }

  private checkHardState({ term, vote }: HardState): void {
    const before = this.state.hardState;
    const kept = term > before.term || (term === before.term && (before.vote === 0 || before.vote === vote));
    check(kept, "D1 term and vote are kept", () => {
      return `node${this.node} writes term ${term}, vote ${vote} after term ${before.term}, vote ${before.vote}`;
    });
  }
}

function termAt({ terms, startIndex }: DurableState, index: number): number | undefined {
  return terms[index - startIndex];
}

function stateOf(log: GroupLog | undefined): DurableState {
  return {
    hardState: log?.hardState ?? NOTHING.hardState,
    startIndex: log?.compacted?.index ?? 0,
    terms: [log?.compacted?.term ?? 0, ...expandRuns(log)],
  };
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
  if (a.hardState.floor?.index !== b.hardState.floor?.index) return false;
  if (a.startIndex !== b.startIndex || a.terms.length !== b.terms.length) return false;
  for (let i = 0; i < a.terms.length; i++) if (a.terms[i] !== b.terms[i]) return false;
  return true;
}

function describe({ hardState, startIndex, terms }: DurableState): string {
  const lastIndex = startIndex + terms.length - 1;
  return `term ${hardState.term}, vote ${hardState.vote}, entries ${startIndex + 1} to ${lastIndex}, term ${terms.at(-1) ?? 0}`;
}
