import { roleIn } from "./configuration.ts";
import { Progress } from "./progress.ts";
import { majority, majorityReached } from "./quorum.ts";
import type { Configuration, ReplicaId } from "./types.ts";

/**
 * The other replicas of a group, as its leader sees them, and what a majority of the voters among all has reached. Learners get
 * everything and are counted nowhere; neither is a leader that its own newest configuration leaves out (PROTOCOLS R5).
 */
export class Followers {
  private readonly all = new Map<ReplicaId, Progress>();
  private voters: readonly Progress[] = [];
  private selfVotes = false;
  /** One value a voter; used again and again. */
  private readonly counted: number[] = [];

  constructor(
    private readonly self: ReplicaId,
    configuration: Configuration,
    nextIndex: number,
  ) {
    this.reconfigure(configuration, nextIndex);
  }

  /** @param nextIndex where to begin with a replica that joins */
  reconfigure(configuration: Configuration, nextIndex: number): void {
    const voters: Progress[] = [];
    for (const replica of [...configuration.voters, ...configuration.learners]) {
      if (replica === this.self) continue;
      const progress = this.all.get(replica) ?? new Progress(nextIndex);
      this.all.set(replica, progress);
      if (roleIn(configuration, replica) === "voter") voters.push(progress);
    }
    for (const replica of this.all.keys()) if (roleIn(configuration, replica) === "none") this.all.delete(replica);
    this.voters = voters;
    this.selfVotes = roleIn(configuration, this.self) === "voter";
    this.counted.length = 0;
  }

  get(replica: ReplicaId): Progress | undefined {
    return this.all.get(replica);
  }

  voter(replica: ReplicaId): Progress | undefined {
    const progress = this.all.get(replica);
    return progress !== undefined && this.voters.includes(progress) ? progress : undefined;
  }

  entries(): Iterable<[ReplicaId, Progress]> {
    return this.all;
  }

  progresses(): Iterable<Progress> {
    return this.all.values();
  }

  /** The largest value that a majority of the voters has reached. */
  reached(own: number, valueOf: (progress: Progress) => number): number {
    let voter = 0;
    for (const progress of this.voters) this.counted[voter++] = valueOf(progress);
    if (this.selfVotes) this.counted[voter++] = own;
    return majorityReached(this.counted);
  }

  /** Whether a majority was heard since this was last asked. */
  heardMajority(): boolean {
    let heard = this.selfVotes ? 1 : 0;
    for (const progress of this.voters) if (progress.active) heard++;
    for (const progress of this.all.values()) progress.active = false;
    return heard >= majority(this.voters.length + (this.selfVotes ? 1 : 0));
  }

  /** The voter that holds most of the log and answered last. 0: nobody that is `eligible`. */
  successor(eligible: (replica: ReplicaId) => boolean): ReplicaId {
    let best: ReplicaId = 0;
    let most: Progress | undefined;
    for (const [replica, progress] of this.all) {
      if (!this.voters.includes(progress) || progress.repairing || !eligible(replica)) continue;
      if (most !== undefined && !isAhead(progress, most)) continue;
      best = replica;
      most = progress;
    }
    return best;
  }
}

function isAhead(one: Progress, other: Progress): boolean {
  if (one.matchIndex !== other.matchIndex) return one.matchIndex > other.matchIndex;
  return one.confirmedRound > other.confirmedRound;
}
