import { limits } from "../kernel/limits.ts";
import type { Configuration, GroupId, ReplicaId } from "../raft/types.ts";
import type { GroupStop } from "./group-stop.ts";
import type { PeerMessage } from "./peer-messages.ts";
import { type Decision, StateAgreement } from "./state-agreement.ts";

type StateHashMessage = Extract<PeerMessage, { type: "stateHash" }>;

export interface ExchangeOptions {
  readonly group: GroupId;
  readonly self: ReplicaId;
  /** Which way of hashing: hashes of another are not comparable, and count as not heard. */
  readonly formula: number;
  /** Indices that are multiples of this are compared. */
  readonly every: number;
  send(peer: ReplicaId, message: PeerMessage): void;
  onDecided(stop: GroupStop): void;
}

/** A replica that stopped for what it heard says its own again so often: the others must hear it to stop, too. */
const REPEAT_MS = 1_000;

/** Tells the other replicas how the state hashes here, and compares what they tell (PROTOCOLS R8). */
export class StateExchange {
  readonly agreement: StateAgreement;
  private others: readonly ReplicaId[] = [];
  private repeatedMs = Number.NEGATIVE_INFINITY;

  constructor(private readonly options: ExchangeOptions) {
    this.agreement = new StateAgreement(options.self, limits.maxStateHashes);
  }

  /** Learners are told, and compare, and do not count. */
  follow({ voters, learners }: Configuration): void {
    this.agreement.follow(voters);
    this.others = [...voters, ...learners].filter((replica) => replica !== this.options.self);
  }

  /** This replica's own. One that replays an old log does not tell of states that the others have long left behind. */
  checkpoint(index: number, hash: number, commitIndex: number): void {
    const { every, self } = this.options;
    if (index <= commitIndex - every * limits.maxStateHashes) return;
    for (const replica of this.others) this.tell(replica, index, hash);
    this.concluded(index, this.agreement.add(self, index, hash));
  }

  heard(peer: ReplicaId, { formula, index, hash }: StateHashMessage): void {
    if (formula !== this.options.formula || index % this.options.every !== 0) return;
    this.concluded(index, this.agreement.add(peer, index, hash));
  }

  /** What was sent before went nowhere, or to a process that has forgotten it. */
  connected(peer: ReplicaId): void {
    for (const [index, hash] of this.agreement.own) this.tell(peer, index, hash);
  }

  repeat(nowMs: number): void {
    if (nowMs - this.repeatedMs < REPEAT_MS) return;
    this.repeatedMs = nowMs;
    for (const replica of this.others) this.connected(replica);
  }

  private tell(to: ReplicaId, index: number, hash: number): void {
    const { group, formula } = this.options;
    this.options.send(to, { type: "stateHash", group, formula, index, hash });
  }

  private concluded(index: number, decision: Decision): void {
    switch (decision.type) {
      case "undecided":
      case "agreed":
        return;
      case "diverged":
        this.options.onDecided({ reason: "diverged", index, own: decision.own, majority: decision.majority });
        return;
      case "split":
        this.options.onDecided({ reason: "split", index, hashes: decision.hashes });
    }
  }
}
