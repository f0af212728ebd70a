/** Messages to replica 2 of a test/support/raft-cluster.ts, as a leader would send them. */
import type { Entry, Snapshot } from "../../src/raft/types.ts";
import { bytes, type RaftCluster } from "./raft-cluster.ts";
import { SnapshotDisk } from "./raft-disk.ts";

export const at = (from: number, to: number, term: number) => ({ group: 0, from, to, term });
export const entry = (index: number, term: number): Entry => {
  return { index, term, kind: "command", leaseTimeMs: index, payload: bytes(`${term}/${index}`) };
};
export const entries = (from: number, to: number, term: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => entry(from + i, term));
export const append = (prevIndex: number, prevTerm: number, term: number, list: Entry[], commitIndex = 0, from = 1) =>
  ({ type: "append", ...at(from, 2, term), prevIndex, prevTerm, commitIndex, leaseTimeMs: 0, entries: list }) as const;
export const heartbeat = (term: number, round: number) =>
  ({ type: "heartbeat", ...at(1, 2, term), round, commitIndex: 0, leaseTimeMs: 0 }) as const;

/** A snapshot as of an entry of a history in which all are of one term. */
export class Offer {
  readonly commands: string[];
  readonly snapshot: Snapshot;
  private readonly disk = new SnapshotDisk();

  constructor(
    readonly index: number,
    readonly term: number,
    private readonly from = 1,
    prefix = `${term}`,
  ) {
    this.commands = entries(1, index, term).map((_, i) => `${prefix}/${i + 1}`);
    this.snapshot = this.disk.make({ index, term, leaseTimeMs: index }, this.commands);
  }

  get size(): number {
    return this.snapshot.totalBytes;
  }

  piece(offset: number, end: number, term = this.term) {
    const piece = this.disk.read(this.snapshot, offset, end - offset);
    return { type: "snapshotChunk", ...at(this.from, 2, term), snapshot: this.snapshot, offset, bytes: piece } as const;
  }

  whole(term = this.term) {
    return this.piece(0, this.size, term);
  }
}

export const LARGE = { maxSnapshotWindowBytes: 1_000_000 };
export const replies = (cluster: RaftCluster) =>
  cluster.take("snapshotReply").map(({ state, index, offset }) => [state, index, offset]);
