/**
 * Every bound of the system, in one place. What the state machines use must be equal on all nodes:
 * a change of such a value is a change of behaviour and needs a feature level (PROTOCOLS R7).
 */
export const limits = {
  /** Lock, queue, key and resource names, in bytes of UTF-8. */
  maxNameBytes: 512,
  /** An `owner` label, in bytes of UTF-8. */
  maxOwnerBytes: 256,
  /** An `Idempotency-Key`, in bytes of UTF-8. */
  maxIdempotencyKeyBytes: 256,
  /** A request body over HTTP, in bytes. */
  maxBodyBytes: 1024 * 1024,
  /** Leases of owners and sessions, in ms. */
  minTtlMs: 100,
  maxTtlMs: 86_400_000,
  /** The longest wait for a lock, in ms. */
  maxWaitMs: 60_000,

  /** Names in one request for several locks. */
  maxLocksPerRequest: 64,
  /** Permits of one semaphore. */
  maxPermits: 1024,
  /** What a holder of a lock is known by, in bytes of UTF-8. */
  maxValueBytes: 4096,

  /** Locks and semaphores held or waited for at once. */
  maxLocks: 1_000_000,
  /** Holds of locks and of permits at once, checked when a lock is asked for: what waiters are granted later comes on top. */
  maxHolds: 1_000_000,
  /** Names in one result: holders or waiters with their ages, or those that a lock went to. The oldest are shown. */
  maxShownHolders: 100,
  /** Names in a reply to a read: holders and waiters of one lock each, and of all locks of a page before it ends. */
  maxListedNames: 10_000,
  /** Waiters on one lock or semaphore. */
  maxWaitersPerLock: 200_000,
  /** Places in all queues: who waits for several locks at once has one in each. */
  maxWaiters: 400_000,
  maxSessions: 200_000,
  /** Sessions that one entry of the log keeps alive: with ids of the greatest length within `maxProposalBytes`. */
  maxKeepaliveSessions: 3_000,
  maxFences: 1_000_000,
  /** Remembered idempotency keys, and how long each is kept, in ms of lease time. */
  maxIdempotencyKeys: 100_000,
  idempotencyKeyKeepMs: 600_000,
  /** Sequence numbers between the lowest outstanding operation of a node and its newest. */
  maxOperationWindow: 65_536,
  /** Node names that have ever taken requests in. */
  maxIngressNodes: 1024,
  /** Of tokens, one for each time that a cluster is restored or recovered: generation · 2⁴⁰ + counter, exact integers. */
  maxGenerations: 8_192,
  /** Earlier processes of one node whose operations are known to be over. */
  maxRetiredIngresses: 8,
  /** Holds, waiters, sessions and keys that one time entry ends; more are left to the next. */
  maxExpiriesPerEntry: 3_000,

  /** A message's body is `maxBodyBytes` at most; these are its delay, life and time with a consumer, in ms. */
  maxDelayMs: 2_592_000_000,
  maxExpiresMs: 2_592_000_000,
  minVisibilityMs: 100,
  maxVisibilityMs: 43_200_000,
  maxBackoffMs: 86_400_000,
  maxDedupeWindowMs: 86_400_000,
  maxRateIntervalMs: 3_600_000,
  maxRate: 1_000_000,
  /** What is larger is delivered first. */
  maxPriority: 9,
  maxDeliveries: 1_000,
  /** A dedupe id and a group's key, in bytes of UTF-8. */
  maxDedupeIdBytes: 256,
  maxGroupKeyBytes: 256,
  /** A cron expression, and the name of a time zone, in bytes of UTF-8. */
  maxCronBytes: 256,
  maxZoneBytes: 64,
  /** Messages of one publish, of one receive, and receipts of one settlement. */
  maxPublishMessages: 1_000,
  maxReceiveMessages: 1_000,
  /** A receive takes no further message once it has bodies of so many bytes. */
  maxReceiveBytes: 1024 * 1024,
  /** Of one shard: queues that hold something or are set, messages, their bodies in bytes, and requests that wait for one. */
  maxQueues: 100_000,
  maxMessages: 20_000_000,
  maxQueuedBytes: 16 * 1024 * 1024 * 1024,
  maxReceivers: 100_000,
  maxDedupeIds: 1_000_000,
  /** Messages of one queue that are out at once. */
  maxInFlight: 100_000,
  maxSchedulesPerQueue: 100,
  /** Messages of a shard, and bytes of their bodies, that are kept as records before those in the middle of a queue are put into pages. */
  maxHotMessages: 20_000,
  maxHotBytes: 16 * 1024 * 1024,
  /** One page ends with the message that reaches either. */
  pageMessages: 256,
  pageBytes: 128 * 1024,

  /** Operations that one node has proposed and not yet seen applied. */
  maxOutstandingOperations: 16_384,
  /** Requests of one node that wait for a lock to change. */
  maxObservers: 10_000,
  /** Requests that one node answers at once, waiting ones included. */
  maxPendingRequests: 150_000,
  /** Bytes proposed to a group and not yet committed; a tenth is kept for keepalive, release, cancel and time (R9). */
  maxUncommittedBytes: 64 * 1024 * 1024,
  /** One proposal, in bytes. */
  maxProposalBytes: 2 * 1024 * 1024,
  /** Entries of one append message, in bytes. */
  maxAppendBytes: 512 * 1024,
  /** Append messages sent to one follower and not yet answered. */
  maxInflightAppends: 256,
  /** Log entries that a group keeps in memory, in bytes; older ones are read back from the log. */
  maxLogCacheBytes: 16 * 1024 * 1024,
  /** Replicas compare hashes of their states after every so many entries: the same on all of them (PROTOCOLS R8). */
  stateHashEvery: 1_000,
  /** Hashes of a group's state that are kept of each replica, and told to one that connects. */
  maxStateHashes: 16,
  /** One piece of a snapshot on its way to a follower, in bytes: heartbeats and appends pass between two (PROTOCOLS D10). */
  maxSnapshotChunkBytes: 256 * 1024,
  /** Bytes of a snapshot sent to one follower and not yet durable there. */
  maxSnapshotWindowBytes: 1024 * 1024,
  /** Bytes of snapshots that leave in one turn, about. */
  maxTurnChunkBytes: 512 * 1024,
  /** A snapshot is taken when so many entries, or bytes of them, lie behind the newest one. */
  snapshotEveryEntries: 100_000,
  snapshotEveryBytes: 32 * 1024 * 1024,
  /** Entries that stay in the log behind a snapshot, for followers that are a little late. */
  maxTrailingEntries: 10_000,
  /** Entries that stay in the log behind a snapshot, at most, while a follower that answers still needs them. */
  maxHeldEntries: 2_000_000,
  /** One frame between peers, in bytes. */
  maxFrameBytes: 8 * 1024 * 1024,
  /** Bytes that wait for one peer before frames to it are dropped. */
  maxPeerBufferBytes: 32 * 1024 * 1024,
  /** One frame of a peer's handshake, in bytes: what a stranger can make us hold. */
  maxHandshakeBytes: 4096,
  /** Incoming peer connections whose handshake is not over; more are cut off at once. */
  maxPendingHandshakes: 64,
  /** Syncs of the log whose durations are remembered, for the median that the nodes compare. */
  maxSyncSamples: 64,
  /** Nodes of one cluster, and replicas of one group, learners included: who is replaced leaves before its successor joins. */
  maxNodes: 7,
  maxReplicas: 7,
  /** Groups of one cluster beside the control group. */
  maxShards: 64,
  /** Members of a hash ring, and the share that one may have beside one of weight 1. */
  maxRingMembers: 64,
  maxRingWeight: 64,
  /** Replicas that a node talks to at once: of its configurations, and of nodes that may have joined since. */
  maxKnownReplicas: 28,
  /** The id of a node, and a host in an address, in bytes. */
  maxNodeIdBytes: 64,
  maxHostBytes: 253,
} as const;
