import type { Raft } from "../raft/raft.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { EngineStatistics } from "./statistics.ts";

/** Read-index questions at the local Raft, and to whom each answer goes: to this node's barriers, or to a peer's. */
export class ReadQuestions {
  private readonly asked = new Map<number, { readonly peer: ReplicaId; readonly id: number }>();
  private next = 1;

  /** @param answer index 0: this replica does not lead, or does no longer */
  constructor(
    private readonly raft: Raft,
    private readonly statistics: EngineStatistics,
    private readonly answer: (peer: ReplicaId, id: number, index: number) => void,
  ) {}

  /** @returns false when this replica does not lead, and then there is no answer */
  ask(peer: ReplicaId, id: number): boolean {
    const read = this.next++;
    this.asked.set(read, { peer, id });
    if (this.raft.read(read)) {
      this.statistics.readRounds++;
      return true;
    }
    this.asked.delete(read);
    return false;
  }

  answered(read: number, index: number): void {
    const origin = this.asked.get(read);
    if (origin === undefined) return;
    this.asked.delete(read);
    this.answer(origin.peer, origin.id, index);
  }
}
