import type { Entry, GroupId, HardState, LogPoint } from "../raft/types.ts";
import type { EntryReader, GroupLog } from "../raft/storage.ts";
import type { PinnedExcerpt } from "./excerpt.ts";

/** What one flush may hold. Order within a flush is order of effect. */
export type LogRecord =
  | { readonly type: "hardState"; readonly group: GroupId; readonly hardState: HardState }
  /** Entries `fromIndex` and later of the group are void (PROTOCOLS D6: a record of its own). */
  | { readonly type: "truncate"; readonly group: GroupId; readonly fromIndex: number }
  /**
   * The group's log begins behind `point` from now on: what stands before it is in a durable snapshot (PROTOCOLS D8), and its
   * segments go. The point lies behind the one before it. Without `keepsRest` all entries so far are void, as after the
   * installation of a snapshot that contradicts them; with it, the entry at `point` is in the log.
   */
  | { readonly type: "logStart"; readonly group: GroupId; readonly point: LogPoint; readonly keepsRest: boolean }
  /** Continues the group's log without a gap. */
  | { readonly type: "entries"; readonly group: GroupId; readonly entries: readonly Entry[] };

/** How much the log can take whatever the disk says next (PROTOCOLS D9). */
export interface LogRoom {
  /** Of entries, in one more flush; 0: nothing but terms, votes and what opens a term. */
  readonly entryBytes: number;
  /** Why the disk has no room for one more segment; undefined: it had when it was asked last. */
  readonly refusal: Error | undefined;
  /** Asks the disk again. */
  retry(): void;
}

/** The node's one write-ahead log, shared by all groups. */
export interface WriteAheadLog extends EntryReader {
  /** What was found when the log was opened; groups without a record are absent. */
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  readonly room: LogRoom;
  /**
   * Writes the records as one frame and syncs it. `onDurable` is called once, perhaps before `flush`
   * returns; until then the records stay as they are.
   * Invariant: never called while an earlier flush is not durable yet (PROTOCOLS D4).
   *
   * An error of the disk calls `onDurable` with it; the log then takes nothing more (D9). No room for a next segment is no
   * error: a flush with entries that {@link room} did not promise then waits for it.
   */
  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void;
  /** Where entries `from`…`to` stand, which are committed and durable: another thread may read them until it is released. */
  pin(group: GroupId, from: number, to: number): PinnedExcerpt;
  /** The log is at rest: what it owes to the disk for that is written, without a sync. */
  settle(): void;
}
