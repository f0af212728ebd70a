import type { GroupStatus } from "./control-group.ts";

/** `read` gives the value now. */
export type GroupFigure = readonly [
  name: string,
  type: "counter" | "gauge",
  help: string,
  read: (group: GroupStatus) => number,
];

/** What each group has: where a node hosts several, there is a series for each, with the label `group`. */
export const groupFigures: readonly GroupFigure[] = [
  ["mufakat_raft_term", "gauge", "Term that this node is in.", (group) => group.term],
  ["mufakat_raft_commit_index", "gauge", "Highest log index known to be committed.", (group) => group.commitIndex],
  ["mufakat_raft_applied_index", "gauge", "Highest log index applied to the state.", (group) => group.appliedIndex],
  ["mufakat_raft_last_index", "gauge", "Highest index in this node's log.", (group) => group.lastIndex],
  [
    "mufakat_raft_snapshot_index",
    "gauge",
    "Entry up to which this node's newest snapshot stands for the log; 0: there is none.",
    (group) => group.snapshotIndex,
  ],
  [
    "mufakat_raft_compacted_index",
    "gauge",
    "Entries up to here are in snapshots alone, and no longer in the log.",
    (group) => group.compactedIndex,
  ],
  ["mufakat_raft_is_leader", "gauge", "1 if this node leads, else 0.", (group) => Number(group.role === "leader")],
  [
    "mufakat_raft_has_leader",
    "gauge",
    "1 if this node knows a leader, else 0.",
    (group) => Number(group.leader !== undefined),
  ],
  [
    "mufakat_repairing",
    "gauge",
    "1 while this node has not got back from the others what its damaged log lost, else 0; GET /cluster says how much that is.",
    (group) => Number(group.repair !== undefined),
  ],
  [
    "mufakat_snapshots_damaged",
    "gauge",
    "Snapshots that were found damaged at the start, until two good ones are in their place.",
    (group) => group.damagedSnapshots,
  ],
  [
    "mufakat_state_checks_total",
    "counter",
    "Comparisons in which this node's state was that of a majority.",
    (group) => group.stateChecks,
  ],
  [
    "mufakat_state_agreed_index",
    "gauge",
    "Last entry as of which this node's state was found to be that of a majority.",
    (group) => group.stateAgreedIndex,
  ],
  [
    "mufakat_feature_level",
    "gauge",
    "How state machines behave: rises by itself when every node runs a program that knows a higher level.",
    (group) => group.featureLevel,
  ],
  [
    "mufakat_group_stopped",
    "gauge",
    "1 if this node stores entries but applies and serves nothing any more, else 0; GET /cluster says why.",
    (group) => Number(group.stopped !== undefined),
  ],
  [
    "mufakat_group_stopped_index",
    "gauge",
    "The entry at which it stopped; 0 if it did not.",
    (group) => group.stopped?.index ?? 0,
  ],
];
