import { roleIn } from "./configuration.ts";
import type { RaftLog } from "./log.ts";
import type { ReplicaId } from "./types.ts";

/**
 * A voter of the configuration in force, or of the one before while the newest has not committed: ↯ of two voters the leader
 * appends its own removal and crashes. The other lacks that entry and is not elected without the first, which must stand,
 * though it does not count itself (thesis §4.2.2). Whoever is asked for a vote gives it, learner or not (§4.1): ours may be
 * an old configuration.
 */
export function isCandidate({ configurations, commitIndex }: RaftLog, self: ReplicaId): boolean {
  const { current } = configurations;
  if (roleIn(current.configuration, self) === "voter") return true;
  // The one before, and not the one as of the commit index: that is 0 after a restart.
  const before = configurations.at(current.index - 1);
  return current.index > commitIndex && roleIn(before, self) === "voter";
}
