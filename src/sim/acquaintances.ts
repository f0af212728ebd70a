import type { Members } from "../engine/members.ts";
import type { ReplicaId } from "../raft/types.ts";

/** What a node answers to one that wants to talk to it. */
type Greeting = "accepted" | "unknown" | "removed";

/** Whom one node knows, as `TcpPeerNetwork` follows the configurations of its log and as it and `checkGreeting` judge by them. */
export class Acquaintances {
  private readonly known = new Map<ReplicaId, string | undefined>();
  private settledBelow = 0;

  follow({ replicas, settledBelow }: Members): void {
    this.settledBelow = settledBelow;
    for (const [replica, node] of replicas) if (node !== undefined) this.known.set(replica, node.nodeId);
    for (const replica of this.known.keys()) {
      if (!replicas.has(replica) && !this.mayHaveJoined(replica)) this.known.delete(replica);
    }
  }

  knows(replica: ReplicaId): boolean {
    return this.known.has(replica);
  }

  /** @param dials the other one knows this one, and came by itself */
  greet(replica: ReplicaId, nodeId: string, dials: boolean): Greeting {
    if (!this.known.has(replica)) {
      if (replica < this.settledBelow) return "removed";
      if (dials && this.mayHaveJoined(replica)) this.known.set(replica, nodeId);
    }
    return this.known.get(replica) === nodeId ? "accepted" : "unknown";
  }

  private mayHaveJoined(replica: ReplicaId): boolean {
    return this.settledBelow > 0 && replica >= this.settledBelow;
  }
}
