import type { RaftLog } from "./log.ts";
import type { Outbox } from "./outbox.ts";
import { type Floor, type HardState, type ReplicaId, UNKNOWN_INDEX } from "./types.ts";

/**
 * What this replica has promised and must not forget: its term, its vote in it, and, after a loss of entries, how far its log
 * reached (PROTOCOLS D7).
 *
 * A replica with a *floor* is being repaired. Whatever it acknowledged was counted, so it votes as the log that it had would:
 * ↯ e is committed on A and B; B loses it, and by its shorter log votes for C, which never had it. And it neither stands
 * nor is counted, until its log is as far again.
 */
export class Ballot {
  constructor(
    private hard: HardState,
    private readonly log: RaftLog,
    private readonly outbox: Outbox,
  ) {
    const { floor } = hard;
    // Only an entry of a later term can reach that floor: whoever leads now may have counted what is lost.
    if (floor?.index === UNKNOWN_INDEX && floor.term === hard.term) this.enter(hard.term + 1);
    this.settle();
  }

  get term(): number {
    return this.hard.term;
  }

  get vote(): ReplicaId {
    return this.hard.vote;
  }

  get floor(): Floor | undefined {
    return this.hard.floor;
  }

  get repairing(): boolean {
    return this.hard.floor !== undefined;
  }

  enter(term: number): void {
    this.set({ term, vote: 0 });
  }

  give(candidate: ReplicaId): void {
    if (this.hard.vote === 0) this.set({ term: this.hard.term, vote: candidate });
  }

  stand(self: ReplicaId): void {
    this.set({ term: this.hard.term + 1, vote: self });
  }

  /** Whether a candidate's log has all that this replica ever acknowledged (Raft §5.4.1). */
  favours(lastIndex: number, lastTerm: number): boolean {
    const { floor } = this.hard;
    return floor === undefined ? this.log.isUpToDate(lastIndex, lastTerm) : reaches(floor, lastIndex, lastTerm);
  }

  /**
   * The log may have got further. What reaches the floor and that it is reached go to the disk in one flush, or the entries
   * first: so who finds the floor gone finds the entries.
   */
  settle(): void {
    const { floor, term, vote } = this.hard;
    if (floor === undefined || !reaches(floor, this.log.lastIndex, this.log.lastTerm)) return;
    this.hard = { term, vote };
    this.outbox.setHardState(this.hard);
  }

  private set({ term, vote }: HardState): void {
    const { floor } = this.hard;
    this.hard = floor === undefined ? { term, vote } : { term, vote, floor };
    this.outbox.setHardState(this.hard);
  }
}

function reaches(floor: Floor, lastIndex: number, lastTerm: number): boolean {
  return lastTerm > floor.term || (lastTerm === floor.term && lastIndex >= floor.index);
}
