import type { RaftOptions } from "./options.ts";
import type { ReplicaId } from "./types.ts";

/**
 * How long the leader of this term may be silent, in ms. Followers know each other, so they need not leave it to chance who
 * stands first (Raft §5.2): one after the other, by their ids, a slot apart. Whoever is next gives the one before it
 * time to win, and only an election that nobody won is left to chance.
 *
 * @param voters of the configuration in force
 */
export function successionTimeoutMs(
  { self, electionTimeoutMs, heartbeatIntervalMs, random }: RaftOptions,
  voters: readonly ReplicaId[],
  leader: ReplicaId,
): number {
  let before = 0;
  for (const voter of voters) if (voter < self && voter !== leader) before++;
  const slotMs = Math.min(heartbeatIntervalMs, electionTimeoutMs / Math.max(1, voters.length - 1));
  // Not at the very minimum: those who are asked must have missed the leader for that long, too (PROTOCOLS R1).
  return electionTimeoutMs + slotMs * (before + 0.2 + 0.2 * random());
}
