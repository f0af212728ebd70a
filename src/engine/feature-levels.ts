import type { Configuration, ReplicaId } from "../raft/types.ts";

/** Which feature levels the programs of the nodes know, as far as they have said (PROTOCOLS R7). */
export class FeatureLevels {
  private readonly peers = new Map<ReplicaId, number>();

  /** @param own what this program knows */
  constructor(readonly own: number) {}

  heard(peer: ReplicaId, level: number): void {
    this.peers.set(peer, level);
  }

  /** The next process there may be of another version. */
  forget(peer: ReplicaId): void {
    this.peers.delete(peer);
  }

  knows(peer: ReplicaId, level: number): boolean {
    return (this.peers.get(peer) ?? 0) >= level;
  }

  /** A replica that does not know the level, or has not said that it does; 0: all know it. */
  lagging({ voters, learners }: Configuration, self: ReplicaId, level: number): ReplicaId {
    return [...voters, ...learners].find((replica) => replica !== self && !this.knows(replica, level)) ?? 0;
  }

  /**
   * The level that every replica of the group knows; undefined while one has not said what it knows. ↯ Raised for those who
   * answer: the third comes back with its old program and makes something else of the same entries.
   */
  common({ voters, learners }: Configuration, self: ReplicaId): number | undefined {
    let common = this.own;
    for (const replica of [...voters, ...learners]) {
      if (replica === self) continue;
      const level = this.peers.get(replica);
      if (level === undefined) return undefined;
      common = Math.min(common, level);
    }
    return common;
  }
}
