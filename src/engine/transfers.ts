import type { Raft } from "../raft/raft.ts";
import type { ReplicaId } from "../raft/types.ts";
import { LEADER_WAIT_MS } from "./ingress.ts";
import type { EngineStatistics } from "./statistics.ts";

/**
 * Why a transfer of leadership has not happened. `notLeader`: nobody leads whom we could ask. `busy`: leadership is on
 * its way to somebody else. `unreachable`: the leader has no way to the target. `notVoter`: the target does not vote, and cannot lead. `elsewhere`: another election came between.
 * These are definite. `timedOut`: the target did not take over in time; it may yet, if it was asked and is slow.
 */
export type TransferRefusal = (typeof transferRefusals)[number];
export type TransferEnd = "transferred" | TransferRefusal;

/** Codes on the wire: append only, never renumber. */
export const transferRefusals = ["notLeader", "busy", "unreachable", "elsewhere", "timedOut", "notVoter"] as const;

interface Transfer {
  readonly id: number;
  /** 0: whoever would take over soonest. */
  readonly to: ReplicaId;
  readonly done: (end: TransferEnd) => void;
  readonly term: number;
  readonly createdAtMs: number;
}

/** Transfers that one node was asked for at a time, all together: they are few, and asked for by people. */
const MAX_TRANSFERS = 64;

/** Transfers of leadership that were asked for at this node, each until it is known how it ended. */
export class Transfers {
  private waiting: Transfer[] = [];
  private nextId: number;
  /** The term in which this leader began to hand over; undefined: nothing is under way. */
  private begunInTerm: number | undefined;

  /** @param seed of this process alone: an answer to its predecessor must not answer us */
  constructor(
    private readonly raft: Raft,
    private readonly statistics: EngineStatistics,
    seed: number,
  ) {
    this.nextId = Math.floor(seed / 2) + 1;
  }

  /** This leader hands over from now on. */
  begun(): void {
    this.begunInTerm = this.raft.term;
    this.statistics.transfers++;
  }

  /** @returns an id for {@link refused}, or undefined when it ended at once */
  add(to: ReplicaId, nowMs: number, done: Transfer["done"]): number | undefined {
    if (this.waiting.length >= MAX_TRANSFERS) {
      done("busy");
      return undefined;
    }
    const id = this.nextId++;
    this.waiting.push({ id, to, done, term: this.raft.term, createdAtMs: nowMs });
    return id;
  }

  refused(id: number, end: TransferRefusal): void {
    this.end(
      (transfer) => transfer.id === id,
      () => end,
    );
  }

  /** This replica heard of a leader. Whoever leads a later term decides what became of all that was asked before. */
  leads(leader: ReplicaId, previous: ReplicaId): void {
    this.end(
      ({ term }) => term < this.raft.term,
      ({ to }) => (leader === to || (to === 0 && leader !== previous) ? "transferred" : "elsewhere"),
    );
  }

  sweep(nowMs: number): void {
    const gaveUp = this.raft.role === "leader" && this.raft.transferee === 0;
    if (this.begunInTerm !== undefined && this.raft.transferee === 0) {
      if (gaveUp && this.begunInTerm === this.raft.term) this.statistics.transfersFailed++;
      this.begunInTerm = undefined;
    }
    if (this.waiting.length === 0) return;
    this.end(
      ({ term, createdAtMs }) => (gaveUp && term === this.raft.term) || nowMs - createdAtMs >= LEADER_WAIT_MS,
      () => "timedOut",
    );
  }

  private end(ended: (transfer: Transfer) => boolean, end: (transfer: Transfer) => TransferEnd): void {
    const over = this.waiting.filter(ended);
    if (over.length === 0) return;
    this.waiting = this.waiting.filter((transfer) => !ended(transfer));
    for (const transfer of over) transfer.done(end(transfer));
  }
}
