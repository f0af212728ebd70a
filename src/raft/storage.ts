import type { Entry, GroupId, HardState } from "./types.ts";

/** Reads entries that are durable. Synchronous, as etcd's `Storage`: the log is local. */
export interface EntryReader {
  /**
   * Entries `from`…`to`, both included, as many as fit in `maxBytes` of payload and at least one.
   * Asked only for entries that exist.
   */
  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[];
}

/** First index of a stretch of entries of equal term. */
export interface TermRun {
  readonly firstIndex: number;
  readonly term: number;
}

/** What the log holds of one group when it is opened. */
export interface GroupLog {
  readonly group: GroupId;
  readonly hardState: HardState;
  /** 0 when empty. */
  readonly lastIndex: number;
  /** The terms of entries 1…lastIndex, in order. */
  readonly termRuns: readonly TermRun[];
  /** Lease time of the last entry, or 0. */
  readonly leaseTimeMs: number;
}
