import { majority } from "./quorum.ts";
import type { ReplicaId } from "./types.ts";

/**
 * One round of votes or pre-votes (thesis §9.6). It counts answers for its own term only: a reply that speaks of
 * another term never reaches it (PROTOCOLS R2).
 */
export class Election {
  private readonly granted = new Set<ReplicaId>();
  private readonly refused = new Set<ReplicaId>();

  /**
   * @param voters of the configuration in force: nobody else's answer counts (PROTOCOLS R5)
   * @param phase "preVote" probes `term` without entering it, "vote" asks for votes in it
   */
  constructor(
    readonly phase: "preVote" | "vote",
    readonly term: number,
    private readonly voters: readonly ReplicaId[],
  ) {}

  count(from: ReplicaId, granted: boolean): void {
    if (!this.voters.includes(from) || this.granted.has(from) || this.refused.has(from)) return;
    (granted ? this.granted : this.refused).add(from);
  }

  get won(): boolean {
    return this.granted.size >= majority(this.voters.length);
  }

  get lost(): boolean {
    return this.refused.size >= majority(this.voters.length);
  }
}
