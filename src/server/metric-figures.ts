import { diskStates } from "../engine/disk-report.ts";
import type { ControlGroup, NodeStatistics } from "./control-group.ts";
import type { HttpStatistics } from "./http-statistics.ts";

/** What the figures are read from, at the moment when somebody asks for them. */
export interface MetricsSources {
  readonly group: Pick<ControlGroup, "status" | "state">;
  readonly statistics: () => NodeStatistics;
  readonly http: HttpStatistics;
  /** Absent: this node keeps none. */
  readonly queues?: (() => QueueCounts) | undefined;
}

/** Of all shards, as this node has applied them. */
export interface QueueCounts {
  readonly queues: number;
  readonly messages: number;
  readonly bytes: number;
  readonly inFlight: number;
  readonly receivers: number;
}

/** `read` gives the value now. */
export type Figure = readonly [
  name: string,
  type: "counter" | "gauge",
  help: string,
  read: (sources: MetricsSources) => number,
];

/** Every plain figure: its name with the unit last, as Prometheus wants it, and where it is read. */
export const figures: readonly Figure[] = [
  ["mufakat_raft_elections_total", "counter", "Elections that this node has started.", (s) => s.statistics().elections],
  [
    "mufakat_raft_leader_changes_total",
    "counter",
    "Changes of leader that this node has seen.",
    (s) => s.statistics().leaderChanges,
  ],
  [
    "mufakat_raft_transfers_total",
    "counter",
    "Times that this node began to hand leadership over.",
    (s) => s.statistics().transfers,
  ],
  [
    "mufakat_raft_transfers_failed_total",
    "counter",
    "Times that it went on leading, since the other node did not take over in time.",
    (s) => s.statistics().transfersFailed,
  ],
  [
    "mufakat_configuration_changes_total",
    "counter",
    "Configurations of the cluster that came into force on this node since its start.",
    (s) => s.statistics().configurationChanges,
  ],
  ["mufakat_raft_proposals_total", "counter", "Commands proposed by this node.", (s) => s.statistics().proposals],
  [
    "mufakat_raft_forwarded_total",
    "counter",
    "Commands forwarded to a leader elsewhere.",
    (s) => s.statistics().forwarded,
  ],
  [
    "mufakat_raft_read_rounds_total",
    "counter",
    "Rounds asked of a majority for linearizable reads.",
    (s) => s.statistics().readRounds,
  ],
  [
    "mufakat_repairs_total",
    "counter",
    "Damaged logs that began anew at the start of this process.",
    (s) => s.statistics().repairs,
  ],
  [
    "mufakat_repair_refilled_entries_total",
    "counter",
    "Log entries written in the place of lost ones.",
    (s) => s.statistics().refilledEntries,
  ],
  [
    "mufakat_raft_applied_entries_total",
    "counter",
    "Log entries applied since the start.",
    (s) => s.statistics().appliedEntries,
  ],
  ["mufakat_snapshots_taken_total", "counter", "Snapshots that this node made.", (s) => s.statistics().snapshotsTaken],
  [
    "mufakat_snapshots_failed_total",
    "counter",
    "Snapshots that this node could not make: the log grows until one succeeds.",
    (s) => s.statistics().snapshotsFailed,
  ],
  [
    "mufakat_snapshots_installed_total",
    "counter",
    "Snapshots of a leader that took the place of this node's state, since it was too far behind.",
    (s) => s.statistics().snapshotsInstalled,
  ],
  [
    "mufakat_snapshots_refused_total",
    "counter",
    "Times that a leader's snapshot, or a piece of it, found no room here or was not intact.",
    (s) => s.statistics().snapshotsRefused,
  ],
  [
    "mufakat_snapshot_bytes_sent_total",
    "counter",
    "Bytes of snapshots sent to other nodes.",
    (s) => s.statistics().snapshotBytesSent,
  ],
  [
    "mufakat_lease_time_seconds",
    "gauge",
    "Lease time: runs only under a leader.",
    (s) => s.group.status().leaseTimeMs / 1000,
  ],
  ["mufakat_log_flushes_total", "counter", "Flushes of the log, one fdatasync each.", (s) => s.statistics().flushes],
  ["mufakat_log_flushed_bytes_total", "counter", "Bytes flushed to the log.", (s) => s.statistics().flushedBytes],
  ["mufakat_log_flushed_entries_total", "counter", "Entries flushed to the log.", (s) => s.statistics().flushedEntries],
  [
    "mufakat_disk_full",
    "gauge",
    "1 if the disk has no room for the next part of the log, 2 if nothing but terms and votes is written any more, else 0.",
    (s) => diskStates.indexOf(s.group.status().disk.state),
  ],
  [
    "mufakat_disk_sync_median_seconds",
    "gauge",
    "Median of the last 64 fdatasyncs of the log, as nodes compare it; 0 until there are 16.",
    (s) => s.group.status().disk.medianSyncUs / 1e6,
  ],
  ["mufakat_engine_turns_total", "counter", "Turns of the consensus loop.", (s) => s.statistics().turns],
  [
    "mufakat_engine_longest_turn_seconds",
    "gauge",
    "Longest turn of the consensus loop since the start.",
    (s) => s.statistics().longestTurnMs / 1000,
  ],
  [
    "mufakat_engine_longest_turn_wait_seconds",
    "gauge",
    "Longest time since the start that a turn was due and did not begin.",
    (s) => s.statistics().longestTurnWaitMs / 1000,
  ],
  [
    "mufakat_operations_outstanding",
    "gauge",
    "Operations proposed here whose end is not seen yet.",
    (s) => s.statistics().outstandingOperations,
  ],
  ["mufakat_peer_frames_sent_total", "counter", "Frames sent to other nodes.", (s) => s.statistics().framesSent],
  [
    "mufakat_peer_frames_received_total",
    "counter",
    "Frames received from other nodes.",
    (s) => s.statistics().framesReceived,
  ],
  [
    "mufakat_peer_frames_dropped_total",
    "counter",
    "Frames not sent: no connection, or its buffer was full.",
    (s) => s.statistics().framesDropped,
  ],
  ["mufakat_locks", "gauge", "Locks held or waited for.", (s) => s.group.state.counts.locks],
  ["mufakat_semaphores", "gauge", "Semaphores held or waited for.", (s) => s.group.state.counts.semaphores],
  [
    "mufakat_locks_held",
    "gauge",
    "Holds of locks and of permits, each reader of a shared lock counted.",
    (s) => s.group.state.counts.holds,
  ],
  [
    "mufakat_lock_waiters",
    "gauge",
    "Places in the queues of locks and semaphores.",
    (s) => s.group.state.counts.waiters,
  ],
  [
    "mufakat_lock_observers",
    "gauge",
    "Requests to this node that wait for a lock to change.",
    (s) => s.statistics().observers,
  ],
  ["mufakat_sessions", "gauge", "Open sessions.", (s) => s.group.state.counts.sessions],
  ["mufakat_fences", "gauge", "Resources with a fence.", (s) => s.group.state.counts.fences],
  ["mufakat_queues", "gauge", "Queues that are known.", (s) => s.queues?.().queues ?? 0],
  [
    "mufakat_queue_messages",
    "gauge",
    "Messages in all queues, in flight and dead letters included.",
    (s) => s.queues?.().messages ?? 0,
  ],
  ["mufakat_queue_bytes", "gauge", "Bodies of all messages in bytes.", (s) => s.queues?.().bytes ?? 0],
  [
    "mufakat_queue_in_flight",
    "gauge",
    "Messages that were delivered and not settled yet.",
    (s) => s.queues?.().inFlight ?? 0,
  ],
  ["mufakat_queue_receivers", "gauge", "Requests that wait for a message.", (s) => s.queues?.().receivers ?? 0],
  ["mufakat_http_requests_in_flight", "gauge", "HTTP requests that are not answered yet.", (s) => s.http.inFlight],
  [
    "process_resident_memory_bytes",
    "gauge",
    "Resident memory of the process in bytes.",
    () => process.memoryUsage.rss(),
  ],
  ["process_cpu_seconds_total", "counter", "User and system CPU time of the process in seconds.", cpuSeconds],
  [
    "process_start_time_seconds",
    "gauge",
    "Start of the process in seconds since 1970.",
    (s) => s.group.status().startedAtMs / 1000,
  ],
];

function cpuSeconds(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1e6;
}
