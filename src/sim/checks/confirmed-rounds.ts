import { majorityReached } from "../../raft/quorum.ts";
import type { ReplicaId } from "../../raft/types.ts";

interface Rounds {
  /** When each round's first heartbeat left, by round. */
  readonly sentAtMs: Map<number, number>;
  /** The newest that each other node has answered. */
  readonly answered: Map<ReplicaId, number>;
  confirmedMs: number | undefined;
}

/** Which rounds of heartbeats a majority has answered, by what was sent. */
export class ConfirmedRounds {
  private readonly byTerm = new Map<number, Rounds>();

  constructor(private readonly nodes: number) {}

  beat(term: number, round: number, nowMs: number): void {
    if (round === 0) return;
    const { sentAtMs } = this.of(term);
    if (!sentAtMs.has(round)) sentAtMs.set(round, nowMs);
  }

  answered(from: ReplicaId, term: number, round: number): void {
    const rounds = this.of(term);
    const { answered, sentAtMs } = rounds;
    if (round <= (answered.get(from) ?? 0)) return;
    answered.set(from, round);
    const reached = [Number.POSITIVE_INFINITY, ...answered.values()];
    while (reached.length < this.nodes) reached.push(0);
    const confirmed = majorityReached(reached);
    const atMs = sentAtMs.get(confirmed);
    if (atMs === undefined) return;
    rounds.confirmedMs = atMs;
    for (const old of sentAtMs.keys()) if (old < confirmed) sentAtMs.delete(old);
  }

  /** When the newest round left that a majority has answered; undefined: there is none. A node alone needs no answer. */
  confirmedMs(term: number, nowMs: number): number | undefined {
    return this.nodes === 1 ? nowMs : this.byTerm.get(term)?.confirmedMs;
  }

  private of(term: number): Rounds {
    let rounds = this.byTerm.get(term);
    if (rounds === undefined) {
      rounds = { sentAtMs: new Map(), answered: new Map(), confirmedMs: undefined };
      this.byTerm.set(term, rounds);
    }
    return rounds;
  }
}
