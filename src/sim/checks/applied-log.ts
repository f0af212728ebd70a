import type { Outcome } from "../../engine/state-machine.ts";
import { Hash } from "../../kernel/hash.ts";
import type { Entry, ReplicaId } from "../../raft/types.ts";
import { hashBytes } from "../hash-bytes.ts";
import { check } from "../violation.ts";
import { operationKey } from "./operation-key.ts";

/** What is compared of the machines of two replicas. */
export interface ComparedMachine {
  readonly appliedIndex: number;
  stateHash(): number;
  digest(): string;
}

/** Looks at each entry when it is applied for the first time anywhere. */
export interface EntryJudge<Result, Machine> {
  /** @param appendedMs when its leader appended it, in real ms */
  apply(entry: Entry, outcomes: readonly Outcome<Result>[], machine: Machine, appendedMs: number): void;
}

interface AppliedEntry {
  readonly term: number;
  readonly hash: number;
  readonly leaseMs: number;
  readonly outcomes: number;
  /** What the nodes themselves compare now and then: it must never raise a false alarm. */
  readonly stateHash: number;
}

/** Between two comparisons of whole states, in entries. */
const DIGEST_EVERY = 32;

/** What all replicas of a group applied: one sequence, one state and one outcome for every index, forever. */
export class AppliedLog<Result extends { readonly type: string }, Machine extends ComparedMachine> {
  private readonly entries: AppliedEntry[] = [{ term: 0, hash: 0, leaseMs: 0, outcomes: 0, stateHash: 0 }];
  private readonly digests = new Map<number, string>();
  /** The first result of each operation. */
  private readonly results = new Map<number, { readonly index: number; readonly hash: number }>();
  private readonly happened = new Set<number>();
  private readonly refused = new Set<number>();
  private readonly hash = new Hash();
  configurationChanges = 0;

  /** @param appendedMs when a leader appended the entry, in real ms */
  constructor(
    private readonly judge: EntryJudge<Result, Machine>,
    private readonly appendedMs: (entry: Entry) => number,
    private readonly compares: boolean,
  ) {}

  get lastIndex(): number {
    return this.entries.length - 1;
  }

  get states(): Iterable<string> {
    return this.digests.values();
  }

  result(operation: number): { readonly index: number; readonly hash: number } | undefined {
    return this.results.get(operation);
  }

  mustNotHappen(operation: number): void {
    check(!this.happened.has(operation), "Q2 a refusal is definite", () => `operation ${operation} had been executed`);
    this.refused.add(operation);
  }

  /** A node has applied the entry. */
  applied(node: ReplicaId, entry: Entry, outcomes: readonly Outcome<Result>[], machine: Machine): void {
    const known = this.entries[entry.index];
    const found: AppliedEntry = {
      term: entry.term,
      hash: hashBytes(entry.payload, entry.kind.charCodeAt(0)),
      leaseMs: entry.leaseTimeMs,
      outcomes: this.hashOutcomes(outcomes),
      stateHash: machine.stateHash(),
    };
    if (known === undefined) this.first(entry, found, outcomes, machine);
    else if (this.compares) compareEntries(node, entry.index, found, known);
    if (entry.index % DIGEST_EVERY === 0) this.compareDigest(node, entry.index, machine);
  }

  /** A node has the state of a snapshot now: one that others, or it itself, had after applying the same entries. */
  restored(node: ReplicaId, machine: Machine): void {
    const { appliedIndex } = machine;
    const known = this.entries[appliedIndex];
    check(known !== undefined, "a snapshot is of applied entries", () => `node${node} has one of ${appliedIndex}`);
    if (!this.compares) return;
    check(known.stateHash === machine.stateHash(), "a snapshot has the state of its entry", () => {
      return `node${node} has another state than others at ${appliedIndex}`;
    });
    this.compareDigest(node, appliedIndex, machine);
  }

  compareDigest(node: ReplicaId, index: number, machine: Machine): void {
    if (!this.compares) return;
    const digest = machine.digest();
    const known = this.digests.get(index);
    if (known === undefined) this.digests.set(index, digest);
    else check(known === digest, "state equality", () => `node${node} has another state than others at ${index}`);
  }

  private first(entry: Entry, found: AppliedEntry, outcomes: readonly Outcome<Result>[], machine: Machine): void {
    const before = this.entries[entry.index - 1];
    check(before !== undefined, "entries are applied in order", () => `entry ${entry.index} comes too early`);
    check(
      found.leaseMs >= before.leaseMs && found.term >= before.term,
      "T1 lease time never falls along the log",
      () => {
        return `entry ${entry.index} has ${found.term}/${found.leaseMs} ms after ${before.term}/${before.leaseMs} ms`;
      },
    );
    this.entries.push(found);
    if (entry.kind === "configuration") this.configurationChanges++;
    for (const { ingress, sequence, result } of outcomes) {
      if (isStale(result)) continue;
      const operation = operationKey(ingress, sequence);
      this.happened.add(operation);
      check(!this.refused.has(operation), "Q2 a refusal is definite", () => {
        return `operation ${ingress}:${sequence} is executed at ${entry.index} after its client was told that it never will`;
      });
      if (result !== undefined) this.ended(operation, result, entry.index);
    }
    this.judge.apply(entry, outcomes, machine, this.appendedMs(entry));
  }

  private ended(operation: number, result: Result, index: number): void {
    const hash = this.hash.reset().value(result).finish();
    const known = this.results.get(operation);
    if (known === undefined) this.results.set(operation, { index, hash });
    else {
      check(known.hash === hash, "Q1 an operation has one result", () => {
        return `operation ${operation} ends at ${index} as ${JSON.stringify(result)}, and had ended at ${known.index}`;
      });
    }
  }

  private hashOutcomes(outcomes: readonly Outcome<Result>[]): number {
    if (outcomes.length === 0) return 0;
    this.hash.reset();
    for (const outcome of outcomes) this.hash.value(outcome);
    return this.hash.finish();
  }
}

/** It was never executed. */
function isStale(result: { readonly type: string; readonly code?: unknown } | undefined): boolean {
  return result?.type === "error" && result.code === "stale_operation";
}

function compareEntries(node: ReplicaId, index: number, found: AppliedEntry, known: AppliedEntry): void {
  const same = known.term === found.term && known.hash === found.hash && known.leaseMs === found.leaseMs;
  check(same, "all nodes apply the same entries", () => `node${node} applies another entry at ${index}`);
  check(known.outcomes === found.outcomes, "state equality", () => `node${node} has other outcomes at ${index}`);
  check(known.stateHash === found.stateHash, "R8 equal states have equal hashes", () => `node${node} at ${index}`);
}
