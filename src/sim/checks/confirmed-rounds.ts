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

  beat(term: number, round: number, nowMs: number): void {
    if (round === 0) return;
    const { sentAtMs } = this.of(term);
    if (!sentAtMs.has(round)) sentAtMs.set(round, nowMs);
  }

  answered(from: ReplicaId, term: number, round: number): void {
    const { answered } = this.of(term);
    answered.set(from, Math.max(round, answered.get(from) ?? 0));
  }

  /**
   * When the newest round left that a majority has answered; undefined: there is none. A node alone needs no answer.
   *
   * @param voters those who count beside the leader or with it, by each configuration that may be in force
   */
  confirmedMs(
    leader: ReplicaId,
    term: number,
    voters: readonly (readonly ReplicaId[])[],
    nowMs: number,
  ): number | undefined {
    const rounds = this.of(term);
    for (const each of voters) {
      const reached = each.map((voter) =>
        voter === leader ? Number.POSITIVE_INFINITY : (rounds.answered.get(voter) ?? 0),
      );
      const confirmed = majorityReached(reached);
      if (confirmed === Number.POSITIVE_INFINITY) return (rounds.confirmedMs = nowMs);
      const atMs = rounds.sentAtMs.get(confirmed);
      if (atMs === undefined || atMs < (rounds.confirmedMs ?? 0)) continue;
      rounds.confirmedMs = atMs;
      for (const old of rounds.sentAtMs.keys()) if (old < confirmed) rounds.sentAtMs.delete(old);
    }
    return rounds.confirmedMs;
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
