import { assert } from "../kernel/assert.ts";
import { limits } from "../kernel/limits.ts";
import type { Leadership } from "./leadership.ts";
import type { RaftLog } from "./log.ts";
import type { RaftOptions, SnapshotLimits } from "./options.ts";
import type { Outbox } from "./outbox.ts";
import type { ReplicaId, Snapshot, SnapshotChunk, SnapshotReply, SnapshotState } from "./types.ts";

/** What snapshots need to know of their replica. */
interface ReplicaState {
  readonly term: number;
  readonly leader: ReplicaId;
  readonly repairing: boolean;
  /** The log was moved forward. */
  refilled(): void;
}

/** A snapshot that comes in piece by piece. */
interface Incoming {
  readonly snapshot: Snapshot;
  /** Of the leader that sends it; 0: it was found at the start. */
  term: number;
  /** Handed over to be stored, without a gap. */
  acceptedBytes: number;
  /** Invariant: ≤ acceptedBytes. */
  durableBytes: number;
  /** All is durable, and the host was told to put it in force. */
  installing: boolean;
}

/**
 * The snapshots of one replica: its own, after which the log can forget, and the one that a leader sends to it. The host
 * makes them, stores them and puts them in force, and says here how far it is.
 */
export class Snapshots {
  private incoming: Incoming | undefined;
  private readonly limits: SnapshotLimits;

  constructor(
    private readonly options: RaftOptions,
    private readonly log: RaftLog,
    private readonly outbox: Outbox,
    private readonly replica: ReplicaState,
    private readonly leadership: () => Leadership | undefined,
  ) {
    this.limits = options.snapshotLimits ?? limits;
  }

  /** What a leader sends, or what there is of it. Of another the host need not keep any bytes. */
  get receiving(): Snapshot | undefined {
    return this.incoming?.snapshot;
  }

  /** The host is putting a snapshot in force: until it says how that ended, the state machine may change under it. */
  get isInstalling(): boolean {
    return this.incoming?.installing ?? false;
  }

  /**
   * The state as of an applied entry is durable (PROTOCOLS D8): the log forgets what lies well behind it.
   *
   * @param compactableIndex the log must reach back to here: another snapshot begins there, which takes the place of this one
   *   should it not be readable one day
   * @returns false when a snapshot from the leader overtook it: it is of no use
   */
  taken(snapshot: Snapshot, compactableIndex: number): boolean {
    if (snapshot.index <= (this.log.snapshot?.index ?? 0)) return false;
    this.log.adopt(snapshot);
    const { maxTrailingEntries, maxHeldEntries } = this.limits;
    const wanted = Math.min(snapshot.index - maxTrailingEntries, this.leadership()?.neededIndex ?? Infinity);
    const index = Math.min(compactableIndex, Math.max(wanted, snapshot.index - maxHeldEntries));
    if (index > this.log.compacted.index) {
      this.log.compactTo(index);
      this.outbox.compact(this.log.compacted);
    }
    return true;
  }

  /** The newest, one that is put in force, those on their way to a follower: the host keeps their bytes and no others. */
  isNeeded(snapshotIndex: number): boolean {
    const { incoming, log } = this;
    if (snapshotIndex === log.snapshot?.index) return true;
    if (incoming?.installing === true && incoming.snapshot.index === snapshotIndex) return true;
    return this.leadership()?.isSending(snapshotIndex) === true;
  }

  /** At the start: so many bytes of a snapshot that a leader sent to the process before this one are durable. */
  resume(snapshot: Snapshot, durableBytes: number): void {
    assert(this.incoming === undefined, "one snapshot comes in at a time");
    assert(durableBytes <= snapshot.totalBytes, "there is no more of a snapshot than all");
    this.incoming = { snapshot, term: 0, acceptedBytes: durableBytes, durableBytes, installing: false };
  }

  /** A piece from the leader of our term. */
  receive(chunk: SnapshotChunk): void {
    const { snapshot, offset, bytes } = chunk;
    if (this.holds(snapshot)) {
      this.answer(snapshot, "installed");
      return;
    }
    const incoming = this.incomingFor(chunk);
    if (incoming === undefined) return;
    const fresh = bytes.subarray(Math.max(0, incoming.acceptedBytes - offset));
    const accepted = incoming.acceptedBytes + fresh.length;
    const hasGap = offset > incoming.acceptedBytes;
    if (hasGap || fresh.length === 0 || accepted - incoming.durableBytes > this.limits.maxSnapshotWindowBytes) {
      this.answer(snapshot, "receiving");
      return;
    }
    this.outbox.storeChunk({ snapshot, offset: incoming.acceptedBytes, bytes: fresh });
    incoming.acceptedBytes = accepted;
  }

  /** So many bytes of the snapshot, from the first on, are durable. */
  stored(snapshot: Snapshot, durableBytes: number): void {
    const { incoming } = this;
    // Of another one, or of a beginning of this one that was given up meanwhile.
    if (incoming === undefined || !isSame(incoming.snapshot, snapshot)) return;
    if (durableBytes <= incoming.durableBytes || durableBytes > incoming.acceptedBytes) return;
    incoming.durableBytes = durableBytes;
    this.answer(snapshot, "receiving");
  }

  /**
   * The disk has no room for what comes behind the first `heldBytes` of the snapshot. They are there, durable or soon; the
   * leader is told to try later, and goes on from what is durable then.
   */
  notStored(snapshot: Snapshot, heldBytes: number): void {
    const { incoming } = this;
    if (incoming === undefined || incoming.installing || !isSame(incoming.snapshot, snapshot)) return;
    incoming.acceptedBytes = Math.min(incoming.acceptedBytes, heldBytes);
    incoming.durableBytes = Math.min(incoming.durableBytes, heldBytes);
    this.answer(snapshot, "refused");
  }

  /** Once a turn: a snapshot that is whole is put in force, one that the log has overtaken is forgotten. */
  proceed(): void {
    const { incoming } = this;
    if (incoming === undefined || incoming.installing || this.leads) return;
    const { snapshot } = incoming;
    if (snapshot.index <= this.log.commitIndex) {
      this.incoming = undefined;
      return;
    }
    const isWhole = incoming.durableBytes === snapshot.totalBytes;
    // ↯ Put in force before our term is durable: after a crash the log would be ahead of the term.
    if (!isWhole || !this.outbox.hardStateDurable || snapshot.term > this.replica.term) return;
    incoming.installing = true;
    this.outbox.install(snapshot);
  }

  /**
   * The snapshot is whole, durable as this replica's own, and restored beside the state machine.
   *
   * @returns true: the restored state takes the place of the state machine now. False: the log has overtaken it, and what
   * was restored is dropped; that it is durable does no harm.
   */
  installed(snapshot: Snapshot): boolean {
    this.end(snapshot);
    const isNews = !this.leads && snapshot.index > this.log.commitIndex;
    if (isNews && !this.log.install(snapshot)) this.outbox.restart(this.log.compacted);
    this.replica.refilled();
    this.answer(snapshot, "installed");
    return isNews;
  }

  /** It cannot be put in force: damaged, of a newer release, or without room to be named. All its bytes are dropped. */
  failed(snapshot: Snapshot): void {
    this.end(snapshot);
    this.answer(snapshot, "refused");
  }

  private get leads(): boolean {
    return this.leadership() !== undefined;
  }

  private end(snapshot: Snapshot): void {
    const { incoming } = this;
    assert(incoming !== undefined && incoming.installing, "an installation ends once");
    assert(isSame(incoming.snapshot, snapshot), "the installation that ends is the one that began");
    this.incoming = undefined;
  }

  /** All that the snapshot stands for is in the log. */
  private holds(snapshot: Snapshot): boolean {
    const term = this.log.term(snapshot.index);
    if (snapshot.index <= this.log.commitIndex) {
      assert(term === undefined || term === snapshot.term, "a snapshot agrees with what is committed");
      return true;
    }
    if (term !== snapshot.term) return false;
    // Snapshots are of committed entries only.
    this.log.commitTo(snapshot.index);
    return true;
  }

  /** What there is of the snapshot, perhaps nothing yet; undefined: the piece comes too late, or too early. */
  private incomingFor({ snapshot, term }: SnapshotChunk): Incoming | undefined {
    const { incoming } = this;
    if (incoming !== undefined && isSame(incoming.snapshot, snapshot)) {
      incoming.term = term;
      return incoming;
    }
    if (incoming?.installing === true) return undefined;
    // One leader sends ever newer ones: an older one was on its way for long. Another leader may have no newer one.
    if (incoming !== undefined && incoming.term === term && snapshot.index < incoming.snapshot.index) return undefined;
    this.incoming = { snapshot, term, acceptedBytes: 0, durableBytes: 0, installing: false };
    return this.incoming;
  }

  private answer(snapshot: Snapshot, state: SnapshotState): void {
    const { incoming, log } = this;
    const { term, leader, repairing } = this.replica;
    if (leader === 0 || this.leads) return;
    const durableBytes = incoming !== undefined && isSame(incoming.snapshot, snapshot) ? incoming.durableBytes : 0;
    const offset = state === "installed" ? snapshot.totalBytes : durableBytes;
    const { group, self } = this.options;
    const reply: SnapshotReply = {
      type: "snapshotReply",
      group,
      from: self,
      to: leader,
      term,
      index: snapshot.index,
      offset,
      state,
      ...(repairing && { repairing: true }),
    };
    // PROTOCOLS D2: what the log holds of it may not be durable yet.
    if (state !== "installed" || snapshot.index <= log.durableIndex) this.outbox.send(reply);
    else this.outbox.sendAfterFlush(reply);
  }
}

function isSame(one: Snapshot, other: Snapshot): boolean {
  return (
    one.index === other.index &&
    one.term === other.term &&
    one.totalBytes === other.totalBytes &&
    one.digest === other.digest
  );
}
