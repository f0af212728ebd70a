/** What survives a crash of one replica of test/support/raft-cluster.ts: its log and its snapshots. */
import { crc32c } from "../../src/kernel/crc32c.ts";
import type { Effects, StoredChunk } from "../../src/raft/outbox.ts";
import type { EntryReader, GroupLog, TermRun } from "../../src/raft/storage.ts";
import { decodeConfiguration } from "../../src/raft/configuration.ts";
import type { Configuration, Entry, HardState, LogPoint, Snapshot } from "../../src/raft/types.ts";

const THREE: Configuration = { voters: [1, 2, 3], learners: [] };

/** Changed by whole flushes only. */
export class LogDisk implements EntryReader {
  hardState: HardState = { term: 0, vote: 0 };
  /** Where the log begins. */
  compacted: LogPoint = { index: 0, term: 0, leaseTimeMs: 0 };
  /** Entries behind that. */
  entries: Entry[] = [];
  /** Entries that were read back. */
  reads = 0;

  read(_group: number, from: number, to: number, maxBytes: number): Entry[] {
    if (from <= this.compacted.index) throw new Error(`entry ${from} is not on disk any more`);
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of this.entries.slice(from - this.compacted.index - 1, to - this.compacted.index)) {
      bytes += entry.payload.length;
      if (bytes > maxBytes && found.length > 0) break;
      found.push(entry);
    }
    this.reads += found.length;
    return found;
  }

  write({ hardState, logStart, truncateFrom, entries }: Effects): void {
    if (hardState !== undefined) this.hardState = hardState;
    if (logStart !== undefined) {
      const { point, keepsRest } = logStart;
      const dropped = keepsRest ? point.index - this.compacted.index : this.entries.length;
      if (keepsRest && this.entries[dropped - 1]?.term !== point.term) throw new Error("what is compacted is not here");
      this.entries = this.entries.slice(dropped);
      this.compacted = point;
    }
    if (truncateFrom !== undefined) {
      if (truncateFrom <= this.compacted.index) throw new Error("what is compacted is truncated");
      this.entries.length = truncateFrom - this.compacted.index - 1;
    }
    for (const entry of entries) {
      const next = this.compacted.index + this.entries.length + 1;
      if (entry.index !== next) throw new Error(`entry ${entry.index} is written where ${next} is due`);
      this.entries.push(entry);
    }
  }

  recover(): GroupLog | undefined {
    if (this.hardState.term === 0) return undefined;
    const termRuns: TermRun[] = [];
    for (const { index, term } of this.entries) {
      if (term !== termRuns.at(-1)?.term) termRuns.push({ firstIndex: index, term });
    }
    const { leaseTimeMs } = this.entries.at(-1) ?? this.compacted;
    const lastIndex = this.compacted.index + this.entries.length;
    const configurations = this.entries
      .filter(({ kind }) => kind === "configuration")
      .map(({ index, payload }) => ({ index, configuration: decodeConfiguration(payload) }));
    const { hardState, compacted } = this;
    return { group: 0, hardState, compacted, lastIndex, termRuns, configurations, leaseTimeMs };
  }
}

interface StoredSnapshot {
  readonly snapshot: Snapshot;
  readonly bytes: Uint8Array;
}

/** Whole snapshots by their index, and what there is of one that comes in. */
export class SnapshotDisk {
  readonly whole = new Map<number, StoredSnapshot>();
  partial: StoredSnapshot | undefined;

  newest(): StoredSnapshot | undefined {
    return this.whole.get(Math.max(...this.whole.keys()));
  }

  /** @param state what was applied up to the point */
  make({ index, term, leaseTimeMs }: LogPoint, state: readonly string[], configuration = THREE): Snapshot {
    const bytes = new TextEncoder().encode(JSON.stringify(state));
    const snapshot = { index, term, leaseTimeMs, totalBytes: bytes.length, digest: crc32c(bytes), configuration };
    // The same one may have come from the leader, and be on its way to a follower.
    if (!this.whole.has(index)) this.whole.set(index, { snapshot, bytes });
    return snapshot;
  }

  state(index: number): string[] {
    const stored = this.whole.get(index);
    if (stored === undefined) throw new Error(`there is no snapshot of ${index}`);
    return JSON.parse(new TextDecoder().decode(stored.bytes)) as string[];
  }

  read(snapshot: Snapshot, offset: number, bytes: number): Uint8Array {
    const stored = this.whole.get(snapshot.index);
    if (stored?.snapshot !== snapshot) throw new Error(`the snapshot of ${snapshot.index} was not kept`);
    return stored.bytes.slice(offset, offset + bytes);
  }

  /** @returns bytes of the snapshot that are stored now */
  store({ snapshot, offset, bytes }: StoredChunk): number {
    const before = offset === 0 ? new Uint8Array(0) : this.partial?.bytes;
    if (before?.length !== offset) throw new Error(`bytes from ${offset} on follow upon ${before?.length}`);
    this.partial = { snapshot, bytes: Uint8Array.of(...before, ...bytes) };
    return this.partial.bytes.length;
  }

  /** What came in becomes a snapshot of this replica's own, if it is what it claims to be. */
  complete(snapshot: Snapshot): boolean {
    const { partial } = this;
    this.partial = undefined;
    if (partial?.bytes.length !== snapshot.totalBytes || crc32c(partial.bytes) !== snapshot.digest) return false;
    this.whole.set(snapshot.index, { snapshot, bytes: partial.bytes });
    return true;
  }
}
