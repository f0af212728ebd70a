import type { Entry } from "../raft/types.ts";

/** An operation as its ingress node numbers it (PROTOCOLS Q1). */
interface OperationId {
  /** Identity of the process that took the request in: random for every start, 1…2⁵³−1. */
  readonly ingress: number;
  /** 1, 2, 3, … within the ingress. */
  readonly sequence: number;
}

/** What applying an entry told about an operation. `Result` is the state machine's own. */
export interface Outcome<Result> extends OperationId {
  /**
   * Absent: applied, and its end comes with a later entry (a waiter). The ingress stops re-proposing it.
   */
  readonly result?: Result;
}

/**
 * A deterministic state machine: the same entries give the same state and the same outcomes on every
 * replica. It sees no clock but the entry's lease time (PROTOCOLS T2, R7).
 */
export interface StateMachine<Result> {
  /** Applies the next entry. Never throws for a decodable log (R7). Outcomes are in order of effect. */
  apply(entry: Entry, emit: (outcome: Outcome<Result>) => void): void;
  /** Earliest lease time at which a time entry would expire something, in ms; undefined when nothing is pending. */
  nextDeadlineMs(): number | undefined;
  /** A digest of the whole state, for comparing replicas. */
  digest(): string;
  /**
   * A hash of all that was applied so far, for comparing replicas as they run: cheap, and different ever after once anything
   * differed (PROTOCOLS R8). An integer in 0…2⁵³−1.
   */
  stateHash(): number;
  /** Rises with every change of what {@link stateHash} covers: only hashes of one formula can be compared. */
  readonly stateHashFormula: number;
  /** Raised by `feature` entries, and a part of the state (PROTOCOLS R7). */
  readonly featureLevel: number;
  /**
   * The whole state as of the last applied entry, in pieces of at most `limits.maxSnapshotChunkBytes`. Nothing is applied while
   * it is read. Two replicas that applied the same entries give the same bytes, however each came to them.
   */
  snapshot(): Iterable<Uint8Array>;
  /** Takes a snapshot's state in beside the present one, which stays in force until {@link StateRestoration.finish}. */
  restore(): StateRestoration;
  /** It is of no more use: gives back what is not memory. Absent: there is nothing. */
  close?(): void;
}

/** A state on its way in. After an error it is of no use any more; the machine is as before. */
export interface StateRestoration {
  /**
   * The next bytes of the content, however they are cut; at most a few ms of work for a piece of 256 KiB.
   *
   * @throws {DecodeError} for what {@link StateMachine.snapshot} does not give
   */
  take(bytes: Uint8Array): void;
  /**
   * All bytes are taken: their state takes the place of the machine's, and observers are told.
   *
   * @throws {DecodeError} when something is missing
   */
  finish(): void;
}
