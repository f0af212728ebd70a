import type { PeerMessage } from "../../engine/peer-messages.ts";
import type { Raft } from "../../raft/raft.ts";
import type { ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

type Refusals = Extract<PeerMessage, { type: "refused" }>;

interface Turn {
  readonly raft: Raft;
  /** When the turn began: what committed in it may have been in the way before. */
  readonly commitIndex: number;
}

/** What gives back or keeps alive is refused for load only where its tenth is used up, too (PROTOCOLS R9). */
export class ReservedShare {
  /** Payload in bytes of what was forwarded, by ingress and attempt. */
  private readonly reservedBytes = new Map<string, number>();
  /** By node. */
  private readonly turns: Turn[] = [];

  constructor(private readonly maxUncommittedBytes: number) {}

  turnBegins(node: ReplicaId, raft: Raft): void {
    this.turns[node] = { raft, commitIndex: raft.log.commitIndex };
  }

  /** A message leaves a node. */
  sent(from: ReplicaId, message: PeerMessage): void {
    if (message.type === "refused" && message.reason === "overloaded") this.refused(from, message);
    if (message.type !== "proposals") return;
    for (const { ingress, attempt, reserved, payload } of message.proposals) {
      if (reserved) this.reservedBytes.set(`${ingress}:${attempt}`, payload.length);
    }
  }

  private refused(from: ReplicaId, { ingress, attempts }: Refusals): void {
    const turn = this.turns[from];
    if (turn === undefined) return;
    const { log, term } = turn.raft;
    let first = log.lastIndex + 1;
    while (first - 1 > turn.commitIndex && log.term(first - 1) === term) first--;
    const heldBytes = first > log.lastIndex ? 0 : log.payloadBytes(first, log.lastIndex);
    for (const { attempt } of attempts) {
      const bytes = this.reservedBytes.get(`${ingress}:${attempt}`) ?? Number.POSITIVE_INFINITY;
      check(heldBytes + bytes > this.maxUncommittedBytes, "R9 what keeps alive is not refused for load", () => {
        return `node${from} refuses ${bytes} bytes, holds ${heldBytes} and may hold ${this.maxUncommittedBytes}`;
      });
    }
  }
}
