import { majority } from "../raft/quorum.ts";
import type { Raft } from "../raft/raft.ts";
import type { Configuration, ReplicaId } from "../raft/types.ts";
import { type DiskState, isSlowDisk } from "./disk-report.ts";
import { type DiskWatch, ENTRY_BYTES } from "./disk-watch.ts";

/** Whether this node, as a leader, should append: `elsewhere`: another node could, and is about to lead. */
export type Admission = "yes" | "elsewhere" | "diskFull";

/** Between two attempts to hand over because of a full disk, and because of a slow one. */
const FULL_PAUSE_MS = 1_000;
const SLOW_PAUSE_MS = 60_000;

/**
 * What the disks of its voters mean for a group (PROTOCOLS D9): which proposals a leader takes, when lease time may run, and to whom
 * to hand over. Of each group its own: ↯ of five nodes three have room, but two of the three that a shard lives on have none: it takes
 * what never commits.
 */
export class GroupDisks {
  /** Of the others. */
  private voters: readonly ReplicaId[] = [];
  private selfVotes = true;
  /** Of this group alone. ↯ Nine groups are led by a node whose disk is slow, and leave it one a minute. */
  private handOverNotBeforeMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly self: ReplicaId,
    private readonly node: DiskWatch,
  ) {}

  follow({ voters }: Configuration): void {
    this.voters = voters.filter((replica) => replica !== this.self);
    this.selfVotes = voters.includes(this.self);
  }

  /** No majority, or not this node, can take even what keeps leases alive: lease time must not run. */
  get isStalled(): boolean {
    const { node } = this;
    if (node.allHaveRoom) return false;
    // ↯ Of three one is exhausted, one is gone: rounds go on, nothing commits, and leases would run out all the same.
    return node.state === "exhausted" || !this.isMajority((state) => state !== "exhausted", "exhausted");
  }

  /** @param reserved keepalive, release, cancel and time: what is left on a full disk is theirs (PROTOCOLS R9) */
  admission(reserved: boolean): Admission {
    const { node } = this;
    if (node.allHaveRoom) return "yes";
    const takes = (state: DiskState): boolean => state === "ok" || (reserved && state === "full");
    if (!this.isMajority(takes)) return "diskFull";
    return takes(node.state) ? "yes" : "elsewhere";
  }

  /** A time entry would be taken now. */
  get takesTime(): boolean {
    return this.node.fits(ENTRY_BYTES) && this.admission(true) === "yes";
  }

  /**
   * For a leader, now and then: halts lease time and holds followers as their disks say.
   *
   * @returns to whom it should hand over because of its own disk; 0: to nobody now
   */
  mind(raft: Raft, nowMs: number, isConnected: (replica: ReplicaId) => boolean): ReplicaId {
    raft.leaseTime.halted = this.isStalled;
    this.node.forEachPeer((peer, state) => raft.hold(peer, state === "exhausted"));
    if (raft.transferee !== 0) return 0;
    return this.betterLeader(raft, nowMs, isConnected);
  }

  /** Who could lead soonest, and can write. 0: nobody. */
  successor(raft: Raft, isConnected: (replica: ReplicaId) => boolean): ReplicaId {
    const hasRoom = (replica: ReplicaId): boolean => (this.node.peerReport(replica)?.state ?? "ok") === "ok";
    const best = raft.successor((replica) => isConnected(replica) && hasRoom(replica));
    return best !== 0 ? best : raft.successor(isConnected);
  }

  private betterLeader(raft: Raft, nowMs: number, isConnected: (replica: ReplicaId) => boolean): ReplicaId {
    const { node } = this;
    const isFull = node.state !== "ok";
    if ((!isFull && !node.isSlow(nowMs)) || nowMs < this.handOverNotBeforeMs) return 0;
    const { medianSyncUs } = node.report;
    const to = raft.successor((replica) => {
      const peer = node.peerReport(replica);
      const isBetter = peer?.state === "ok" && (isFull || isSlowDisk(medianSyncUs, [peer.medianSyncUs]));
      return isBetter && isConnected(replica);
    });
    if (to !== 0) this.handOverNotBeforeMs = nowMs + (isFull ? FULL_PAUSE_MS : SLOW_PAUSE_MS);
    return to;
  }

  /** Of all voters. @param unheard what one that was not heard of counts as: it has room as far as we know */
  private isMajority(takes: (state: DiskState) => boolean, unheard: DiskState = "ok"): boolean {
    let count = this.selfVotes && takes(this.node.state) ? 1 : 0;
    for (const voter of this.voters) if (takes(this.node.peerReport(voter)?.state ?? unheard)) count++;
    return count >= majority(this.voters.length + (this.selfVotes ? 1 : 0));
  }
}
