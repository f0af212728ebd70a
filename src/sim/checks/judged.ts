/** What a judge knows of every hold, be it of a lock or of permits. */
export interface JudgedLease {
  readonly holder: string;
  /** Undefined unless a session holds. */
  readonly session: string | undefined;
  /** In lease time; a session's hold lives by the session. */
  deadlineMs: number;
  /** The acquire that alone was answered with this hold, or 0: a cancel of it gives the hold back. */
  operation: number;
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
  /** Locks and semaphores that it still waits for although the process that asked has ended: granted without an outcome. */
  readonly orphans: Set<string>;
}
