import type { Entry, GroupId, HardState, LogPoint } from "./types.ts";

/** Reads entries that are durable. Synchronous, as etcd's `Storage`: the log is local. */
export interface EntryReader {
  /**
   * Entries `from`…`to`, both included, as many as fit in `maxBytes` of payload and at least one.
   * Asked only for entries that exist and have not been compacted.
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
  /** Entries up to here are in a snapshot alone, and the log begins behind them; absent: it begins with entry 1. */
  readonly compacted?: LogPoint;
  /** That of `compacted`, or 0, when there is no entry. */
  readonly lastIndex: number;
  /** The terms of the entries up to lastIndex, in order. */
  readonly termRuns: readonly TermRun[];
  /** Lease time of the last entry; that of `compacted`, or 0, when there is none. */
  readonly leaseTimeMs: number;
}
