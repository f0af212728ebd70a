import type { Members } from "../engine/members.ts";
import type { ReplicaId } from "../raft/types.ts";

/** What a node answers to one that wants to talk to it. */
type Greeting = "accepted" | "unknown" | "removed";

/** Whose a replica is, as far as a node knows. */
interface Acquaintance {
  readonly nodeId: string;
  /** It came forward as such: it was told so, which happens only to what has committed. */
  hasMet: boolean;
}

/** Whom one node knows, as `TcpPeerNetwork` follows the configurations of its log and as it and `checkGreeting` judge by them. */
export class Acquaintances {
  private readonly known = new Map<ReplicaId, Acquaintance>();
  private settledBelow = 0;

  follow({ replicas, settledBelow }: Members): void {
    this.settledBelow = settledBelow;
    for (const [replica, node] of replicas) if (node !== undefined) this.told(replica, node.nodeId);
    for (const replica of this.known.keys()) {
      if (!replicas.has(replica) && !this.mayHaveJoined(replica)) this.known.delete(replica);
    }
  }

  /** It would dial that node, as that replica. */
  knows(replica: ReplicaId, nodeId: string): boolean {
    return this.known.get(replica)?.nodeId === nodeId;
  }

  /** @param dials the other one knows this one, and came by itself */
  greet(replica: ReplicaId, nodeId: string, dials: boolean): Greeting {
    if (!this.known.has(replica) && replica < this.settledBelow) return "removed";
    if (dials && this.mayHaveJoined(replica) && !this.knows(replica, nodeId)) {
      // One that has been met would be refused by its incarnation; nobody in a simulation takes another's replica.
      this.known.set(replica, { nodeId, hasMet: true });
    }
    const known = this.known.get(replica);
    if (known?.nodeId !== nodeId) return "unknown";
    known.hasMet = true;
    return "accepted";
  }

  private told(replica: ReplicaId, nodeId: string): void {
    const known = this.known.get(replica);
    if (known?.nodeId === nodeId || (known?.hasMet === true && this.mayHaveJoined(replica))) return;
    this.known.set(replica, { nodeId, hasMet: false });
  }

  private mayHaveJoined(replica: ReplicaId): boolean {
    return this.settledBelow > 0 && replica >= this.settledBelow;
  }
}
