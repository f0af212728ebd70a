import type { MembershipChange, MembershipEnd } from "../../src/engine/membership-change.ts";
import type { TransferEnd } from "../../src/engine/transfers.ts";
import type {
  LockCommand,
  LockResult,
  LockView,
  Principal,
  SemaphoreView,
  SessionView,
  WaitEdge,
} from "../../src/locks/types.ts";
import type {
  ControlGroup,
  GroupStatus,
  Leadership,
  MemberStatus,
  NodeStatistics,
  NodeStatus,
  ObserveOptions,
  SubmitOptions,
} from "../../src/server/control-group.ts";

/** Of a group that a follower hosts. */
export function groupStatus(group: number): GroupStatus {
  return {
    group,
    role: "follower",
    leader: "node2",
    term: 3,
    lastIndex: 45,
    commitIndex: 44,
    appliedIndex: 43,
    snapshotIndex: 40,
    compactedIndex: 30,
    damagedSnapshots: 0,
    transferringTo: undefined,
    repair: undefined,
    stopped: undefined,
    stateChecks: 4,
    stateAgreedIndex: 4000,
    featureLevel: 1,
    voters: ["node1", "node2", "node3"],
    learners: [],
    wish: group === 0 ? undefined : { leader: "node3", order: ["node2", "node3", "node1"] },
  };
}

/** A group that answers each command with what the test says, and keeps what it was asked. */
export class ScriptedControlGroup implements ControlGroup {
  readonly nodeId = "node1";
  readonly submitted: { command: LockCommand; options: SubmitOptions | undefined }[] = [];
  readonly transfers: (string | undefined)[] = [];
  transferEnd: TransferEnd = "transferred";
  /** Waits for a lock to change, and what ends them. */
  readonly observed: { readonly lock: string; readonly options: ObserveOptions }[] = [];
  change: (lock: string, options: ObserveOptions) => Promise<void> = async () => undefined;
  /** Barriers asked for. */
  barriers = 0;
  answer: (command: LockCommand, options: SubmitOptions | undefined) => LockResult | Promise<LockResult> = granted;
  keepalives: (session: string) => number | undefined = () => 30_000;
  barrier: () => number = () => 42;
  views: LockView[] = [];
  edges: WaitEdge[] = [];
  semaphores: SemaphoreView[] = [];
  sessions: SessionView[] = [];
  nodeStatus: Omit<NodeStatus, "groups"> = {
    nodeId: "node1",
    clusterName: "test",
    clusterId: "c1",
    incarnation: "i1",
    version: "0.0.0",
    address: "127.0.0.1:8001",
    peerAddress: "127.0.0.1:9001",
    ...groupStatus(0),
    leaseTimeMs: 1000,
    disk: { state: "ok", medianSyncUs: 800 },
    members: ["node1", "node2", "node3"].map((nodeId, i) => ({
      nodeId,
      replica: i + 1,
      role: "voter" as const,
      expected: false,
      address: `127.0.0.1:800${i + 1}`,
      peerAddress: `127.0.0.1:900${i + 1}`,
      connected: true,
      disk: "ok" as const,
      matchIndex: undefined,
    })),
    nextReplica: 4,
    ready: true,
    startedAtMs: 1_700_000_000_000,
  };
  /** Beside the control group. */
  shards: GroupStatus[] = [];

  readonly changes: MembershipChange[] = [];
  changeEnd: (change: MembershipChange) => MembershipEnd = (change) => ({
    type: "done",
    replica: change.type === "add" ? 4 : change.replica,
  });

  async submit(command: LockCommand, options?: SubmitOptions): Promise<LockResult> {
    // As the real one does: a key that cannot be read is refused before anything is proposed.
    const idempotencyKey = options?.idempotencyKey;
    this.submitted.push({ command, options: { idempotencyKey, signal: options?.signal } });
    return this.answer(command, options);
  }

  async keepalive(session: string): Promise<number | undefined> {
    return this.keepalives(session);
  }

  async transferLeadership(to: MemberStatus | undefined): Promise<TransferEnd> {
    this.transfers.push(to?.nodeId);
    return this.transferEnd;
  }

  async changeMembers(change: MembershipChange): Promise<MembershipEnd> {
    this.changes.push(change);
    return this.changeEnd(change);
  }

  async observe(lock: string, options: ObserveOptions): Promise<void> {
    this.observed.push({ lock, options });
    return this.change(lock, options);
  }

  async readBarrier(): Promise<number> {
    this.barriers++;
    return this.barrier();
  }

  leadership(): Leadership {
    return this.status();
  }

  leaseTimeMs(): number {
    return this.nodeStatus.leaseTimeMs;
  }

  status(): NodeStatus {
    const { nodeStatus, shards } = this;
    return { ...nodeStatus, groups: [nodeStatus, ...shards] };
  }

  readonly state = {
    appliedIndex: 43,
    counts: { locks: 1, semaphores: 6, holds: 2, waiters: 3, sessions: 4, fences: 5 },
    view: (lock: string): LockView =>
      this.views.find((view) => view.lock === lock) ?? {
        lock,
        mode: undefined,
        holders: [],
        waiters: [],
        fencingToken: undefined,
        value: undefined,
        revision: 0,
        holderTimes: [],
        waiterTimes: [],
      },
    revision: (lock: string): number => this.views.find((view) => view.lock === lock)?.revision ?? 0,
    semaphore: (name: string): SemaphoreView =>
      this.semaphores.find((view) => view.semaphore === name) ?? {
        semaphore: name,
        limit: undefined,
        available: undefined,
        holders: [],
        waiters: [],
      },
    page: ({ prefix, after, limit }: { prefix: string; after: string; limit: number }): LockView[] =>
      this.views.filter((view) => view.lock.startsWith(prefix) && view.lock > after).slice(0, limit),
    waitForGraph: (limit: number): WaitEdge[] => this.edges.slice(0, limit),
    sessions: (after: number, limit: number): SessionView[] =>
      this.sessions.filter((session) => Number(session.name.slice("session-".length)) > after).slice(0, limit),
  };
}

function shownAs(principal: Principal): { readonly owner: string; readonly principalId: string } {
  if (principal.kind === "owner") return { owner: principal.name, principalId: `owner:${principal.name}` };
  return { owner: principal.kind === "once" ? principal.node : "session-1", principalId: principal.id };
}

/** The success of every command. */
function granted(command: LockCommand): LockResult {
  switch (command.type) {
    case "acquire": {
      const { lock, mode, principal, ttlMs: expiresInMs } = command;
      return { type: "granted", lock, mode, ...shownAs(principal), fencingToken: 7, expiresInMs };
    }
    case "acquireAll": {
      const { locks, principal, ttlMs: expiresInMs } = command;
      const grant = { type: "granted" as const, ...shownAs(principal), expiresInMs };
      return { type: "grantedAll", grants: locks.map((wish, i) => ({ ...grant, ...wish, fencingToken: 7 + i })) };
    }
    case "acquirePermits": {
      const { semaphore, permits, limit, principal, ttlMs: expiresInMs } = command;
      const slots = Array.from({ length: permits }, (_, i) => i);
      const shown = { ...shownAs(principal), fencingToken: 7, expiresInMs };
      return { type: "permitsGranted", semaphore, permits, limit, slots, ...shown };
    }
    case "release":
      return { type: "released", lock: command.lock, releasedBy: "a", grantedTo: undefined };
    case "releasePermits":
      return { type: "permitsReleased", semaphore: command.semaphore, releasedBy: "a", grantedTo: undefined };
    case "openSession":
      return { type: "sessionOpened", session: command.session, name: "session-1", expiresInMs: command.ttlMs };
    case "closeSession":
      return { type: "sessionClosed", released: ["x"], releasedSemaphores: ["s"] };
    case "fence":
      return { type: "fenceAccepted", highest: command.token };
    case "keepalive":
      return { type: "keptAlive", expiresInMs: command.sessions.map(() => 1) };
    case "cancel":
      return { type: "cancelled" };
    case "registerIngress":
      return { type: "registered" };
  }
}

export const emptyStatistics: NodeStatistics = {
  elections: 2,
  leaderChanges: 1,
  transfers: 1,
  transfersFailed: 0,
  configurationChanges: 0,
  turns: 10,
  flushes: 9,
  flushedBytes: 900,
  flushedEntries: 90,
  appliedEntries: 80,
  proposals: 70,
  forwarded: 60,
  readRounds: 50,
  repairs: 1,
  refilledEntries: 51,
  framesSent: 40,
  framesReceived: 30,
  framesDropped: 20,
  outstandingOperations: 10,
  observers: 9,
  fsyncMs: { bounds: [1, 10], buckets: [5, 3, 1], count: 9, sum: 60 },
  turnMs: { bounds: [1, 10], buckets: [9, 1, 0], count: 10, sum: 8 },
  longestTurnMs: 7,
  longTurns: { flush: 3, apply: 0 },
  turnWaitMs: { bounds: [1, 10], buckets: [10, 0, 0], count: 10, sum: 5 },
  longestTurnWaitMs: 2,
  snapshotsTaken: 3,
  snapshotsFailed: 0,
  snapshotsInstalled: 1,
  snapshotsRefused: 0,
  snapshotBytesSent: 4096,
};
