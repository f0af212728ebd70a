/** What a sequence number is to an ingress's window. */
export type WindowVerdict = "new" | "seen" | "stale" | "beyond";

/**
 * The results of one ingress's operations at or above its floor: a request that is proposed twice is
 * executed once (PROTOCOLS Q1). The floor rises as the ingress sees its operations applied.
 */
export class OperationWindow<Result> {
  /** Operations below were seen by their ingress. Never falls. */
  floor = 1;
  /** Invariant: every key ≥ floor. */
  private readonly results = new Map<number, Result>();

  get size(): number {
    return this.results.size;
  }

  /** Forgets the results below `floor`; a lower floor than the present one changes nothing. */
  raiseFloor(floor: number): void {
    if (floor <= this.floor) return;
    if (floor - this.floor <= this.results.size) {
      for (let sequence = this.floor; sequence < floor; sequence++) this.results.delete(sequence);
    } else {
      for (const sequence of this.results.keys()) if (sequence < floor) this.results.delete(sequence);
    }
    this.floor = floor;
  }

  /**
   * @param proposedFloor the floor that came with the operation. The width counts from there, not from the present
   *   floor: so a proposal that was refused as `beyond` is refused again whenever the same bytes come back (Q2).
   */
  classify(sequence: number, proposedFloor: number, width: number): WindowVerdict {
    if (sequence < this.floor) return "stale";
    if (this.results.has(sequence)) return "seen";
    return sequence - proposedFloor >= width ? "beyond" : "new";
  }

  result(sequence: number): Result | undefined {
    return this.results.get(sequence);
  }

  /** Keeps a result, unless the floor has passed it. */
  record(sequence: number, result: Result): void {
    if (sequence >= this.floor) this.results.set(sequence, result);
  }

  /** In no order that may matter. */
  entries(): Iterable<[sequence: number, result: Result]> {
    return this.results;
  }
}
