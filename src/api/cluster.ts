import { z } from "zod";
import { Consistency, Name } from "./names.ts";
import { operation } from "./operation.ts";

const Nothing = z.strictObject({});
const Role = z.enum(["leader", "follower", "candidate", "learner"]);

export const nodeStatus = operation({
  name: "node.status",
  summary: "What this node knows of itself and of the leader, without asking anybody.",
  input: Nothing,
  output: z.strictObject({
    status: z.literal("online"),
    message: z.string(),
    node_id: z.string(),
    role: Role,
    /** The same as `role`, where clients of the older system look. */
    raft_state: Role,
    leader: z.string().nullable(),
    /** The same as `leader`, for the same reason. */
    current_leader: z.string().nullable(),
    term: z.int(),
    version: z.string(),
    port: z.int(),
    /** Ids of the other members. */
    peers: z.array(z.string()).readonly(),
    peers_count: z.int(),
  }),
  errors: [],
});

export const clusterStatus = operation({
  name: "cluster.status",
  summary: "Members and consensus groups of the cluster.",
  input: z.strictObject({ consistency: Consistency.default("linearizable") }),
  output: z.strictObject({
    cluster_name: z.string(),
    cluster_id: z.string(),
    node_id: z.string(),
    /** Of this node's data directory: random, and new after a wipe (PROTOCOLS M1). */
    incarnation: z.string(),
    version: z.string(),
    members: z
      .array(
        z.strictObject({
          node_id: z.string(),
          /** Never given twice: a node that is replaced gets another one (PROTOCOLS M1). */
          replica: z.int(),
          /** `learner`: it gets the log and does not count yet. `leaving`: its removal is not agreed upon yet. */
          role: z.enum(["voter", "learner", "leaving"]),
          peer_address: z.string(),
          /** Where clients reach it; null: not known yet. */
          address: z.string().nullable(),
          /** As seen from this node. */
          connected: z.boolean(),
          is_leader: z.boolean(),
          /**
           * `full`: no room for a next segment of its log, so only what gives back or keeps alive is written; `exhausted`:
           * none for that either. Null: not heard of late.
           */
          disk: z.enum(["ok", "full", "exhausted"]).nullable(),
          /** Last log entry that the leader knows the member to hold; null on other nodes. */
          match_index: z.int().nullable(),
        }),
      )
      .readonly(),
    groups: z
      .array(
        z.strictObject({
          group: z.int(),
          role: Role,
          leader: z.string().nullable(),
          term: z.int(),
          commit_index: z.int(),
          applied_index: z.int(),
          /** The newest snapshot stands for the log up to this entry; 0: there is none. */
          snapshot_index: z.int(),
          /** Entries up to here are in snapshots alone. */
          compacted_index: z.int(),
          /** Node ids of its replicas, as its own log says: those that vote, and those that only get the log. Absent: an earlier release. */
          voters: z.array(z.string()).readonly().optional(),
          learners: z.array(z.string()).readonly().optional(),
          /** Of a shard: the node that the ring would have lead it. Leadership goes there once that node has been there for 5 s. */
          preferred_leader: z.string().optional(),
          /** Why: the nodes in the order in which the ring meets them. Those before the preferred leader lead their share of other shards. */
          ring_order: z.array(z.string()).readonly().optional(),
          /** Files that were snapshots, found when the node started; absent: none, or others are in their place. */
          damaged_snapshots: z.int().optional(),
          /** On a leader that is handing leadership over: to whom. */
          transferring_to: z.string().optional(),
          /**
           * The node has lost entries and gets them back from the others: until its log holds entry `until_index`, or one of
           * a later term than `until_term`, it does not count for commits and does not stand for election.
           */
          repair: z.strictObject({ until_index: z.int().nullable(), until_term: z.int() }).optional(),
          /** The node votes and stores entries, and serves nothing: why, since which entry, and what to do. */
          stopped: z
            .strictObject({
              reason: z.enum(["poisoned", "diverged", "split", "outdated"]),
              index: z.int(),
              message: z.string(),
            })
            .optional(),
        }),
      )
      .readonly(),
    /** Runs only under a leader (PROTOCOLS T1). */
    lease_time_ms: z.int(),
    as_of_index: z.int(),
  }),
  errors: ["no_leader", "group_stopped", "disk_full"],
});

export const transferLeadership = operation({
  name: "cluster.transfer",
  summary: "Hand leadership over to a node, or to the one that can lead soonest.",
  input: z.strictObject({ to: Name.optional() }),
  output: z.strictObject({
    /** `unchanged`: that node led already. */
    status: z.enum(["transferred", "unchanged"]),
    leader: z.string(),
    term: z.int(),
  }),
  errors: ["transfer_refused", "no_leader", "group_stopped", "outcome_unknown"],
});

export const health = operation({
  name: "node.health",
  summary: "The process is alive.",
  input: Nothing,
  output: z.strictObject({ status: z.literal("ok") }),
  errors: [],
});

export const readiness = operation({
  name: "node.readiness",
  summary: "The node takes requests: it knows a leader and may propose.",
  input: Nothing,
  output: z.strictObject({ status: z.literal("ready") }),
  errors: ["not_ready", "group_stopped"],
});

/** `GET /metrics`: no operation of its own, since its reply is a text of its own format. */
export const MetricsQuery = z.strictObject({
  format: z.enum(["prometheus", "json"], { error: 'must be "prometheus" or "json"' }).optional(),
});

/** `GET /cluster/backup`: its reply are the bytes of a file. */
export const BackupQuery = z.strictObject({});
