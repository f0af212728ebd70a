import { DurationHistogram } from "./duration-histogram.ts";

const FLUSH_BOUNDS_MS = [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 50, 100, 250, 1000];

/** Plain fields, counted where the work is done and read by whoever asks. */
export class EngineStatistics {
  elections = 0;
  leaderChanges = 0;
  /** Times that this node began to hand leadership over, and those after which it went on leading. */
  transfers = 0;
  transfersFailed = 0;
  /** Configurations that came into force, those that fell back again included. */
  configurationChanges = 0;
  flushes = 0;
  flushedEntries = 0;
  appliedEntries = 0;
  proposals = 0;
  forwarded = 0;
  readRounds = 0;
  /** Snapshots that this node made, and those that came to nothing. */
  snapshotsTaken = 0;
  snapshotsFailed = 0;
  /** Snapshots that leaders sent to this node and that are in force, and times that one, or a piece, was refused. */
  snapshotsInstalled = 0;
  snapshotsRefused = 0;
  /** Bytes of snapshots that this node sent as a leader. */
  snapshotBytesSent = 0;
  /** Entries written by groups that had lost theirs. */
  refilledEntries = 0;
  /** From handing a flush to the log until it is durable. */
  readonly flushMs = new DurationHistogram(FLUSH_BOUNDS_MS);
}
