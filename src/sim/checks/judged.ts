import type { LockMode } from "../../locks/types.ts";

/** What a judge knows of every hold, be it of a lock or of permits. */
export interface JudgedLease {
  readonly holder: string;
  /** Undefined unless a session holds. */
  readonly session: string | undefined;
  /** In lease time; a session's hold lives by the session. */
  deadlineMs: number;
  /** The acquire that alone was answered with this hold, or 0: a cancel of it gives the hold back. */
  operation: number;
  /**
   * The lock, if a place without a process was granted with this hold. Where that was the very place of the operation, a cancel
   * gives the hold back; where it was another one, it does not: the table says which.
   */
  orphanOf?: string;
  /** When the entry that began or renewed the lease was appended, in real ms. */
  sinceMs: number;
  lengthMs: number;
}

export interface JudgedSession {
  /** What others are shown. */
  name: string;
  deadlineMs: number;
  ttlMs: number;
  sinceMs: number;
  /** Places that it still has in queues although the process that asked has ended: granted without an outcome. */
  orphans: Orphan[];
}

interface Orphan {
  /** Of the lock, or of the semaphore with a word before it. */
  readonly name: string;
  readonly mode: LockMode;
  /** Asked for with others: granted when all of them can be, whatever else the session is given meanwhile. */
  readonly bundled: boolean;
}

/**
 * The session was given what it holds: its orphaned places for as much, or less, are granted with it.
 *
 * @returns whether there were any
 */
export function takeOrphans(session: JudgedSession, name: string, mode: LockMode): boolean {
  const isTaken = (orphan: Orphan): boolean => orphan.name === name && (mode !== "shared" || orphan.mode === mode);
  const taken = session.orphans.some(isTaken);
  session.orphans = session.orphans.filter((orphan) => orphan.bundled || !isTaken(orphan));
  return taken;
}
