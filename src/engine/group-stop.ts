/**
 * Why a replica applies nothing any more and serves nothing (PROTOCOLS R7, R8). Consensus is about the log, which is sound:
 * it goes on to vote and to store what a leader sends, so that others can serve, and one node with another version of the
 * program is enough to serve again. It leads only to bring others up to its log and hands over as soon as one can take over:
 * a leader that does not apply cannot tell when leases are due, which lengthens them.
 */
export type GroupStop =
  /** The entry ended this version of the program so often. */
  | { readonly reason: "poisoned"; readonly index: number; readonly deaths: number; readonly error: string | undefined }
  /** A majority has another state than this replica, as of that entry. Hashes: 0…2⁵³−1. */
  | { readonly reason: "diverged"; readonly index: number; readonly own: number; readonly majority: number }
  /** No state is that of a majority, whatever those say that were not heard yet. */
  | { readonly reason: "split"; readonly index: number; readonly hashes: readonly number[] }
  /** From that entry on others need a level that this version of the program does not know (PROTOCOLS R7). */
  | { readonly reason: "outdated"; readonly index: number; readonly level: number; readonly supported: number };

/** Applying an entry threw: a broken invariant, or a defect of the state machine. The process cannot go on. */
export class ApplyError extends Error {
  override name = "ApplyError";

  constructor(group: number, index: number, deaths: number, cause: unknown) {
    const why = cause instanceof Error ? cause.message : String(cause);
    super(`entry ${index} of group ${group} could not be applied (${deaths} times so far): ${why}`, { cause });
  }
}
