import { assert } from "../kernel/assert.ts";
import type { EntryReader, GroupLog, TermRun } from "./storage.ts";
import type { Entry, GroupId } from "./types.ts";

/** Entries of one slice: small ones take room in a frame and time to apply, too. */
const MAX_SLICE_ENTRIES = 4096;
/** Entries in memory, and to how many they are cut down. */
const MAX_CACHE_ENTRIES = 65_536;
const KEPT_CACHE_ENTRIES = 32_768;

/**
 * The log of one group as the protocol sees it: the newest entries in memory, the rest behind an
 * {@link EntryReader}, and the term of every entry at hand.
 */
export class RaftLog {
  /** Invariant: appliedIndex ≤ commitIndex ≤ lastIndex. Never falls. */
  commitIndex = 0;
  /** What the state machine has seen. Never falls. */
  appliedIndex = 0;
  /** Highest index on this node's disk. Invariant: ≤ lastIndex; falls only by truncation. */
  durableIndex: number;
  lastIndex: number;

  /** Entries cacheFirst…lastIndex. */
  private cache: Entry[] = [];
  private cacheFirst: number;
  private cacheBytes = 0;
  private readonly runs: TermRun[];
  /** Undefined after a truncation, until somebody asks. */
  private lastLeaseMs: number | undefined;

  constructor(
    private readonly group: GroupId,
    private readonly reader: EntryReader,
    recovered: GroupLog | undefined,
    private readonly maxCacheBytes: number,
  ) {
    this.lastIndex = recovered?.lastIndex ?? 0;
    this.durableIndex = this.lastIndex;
    this.runs = [...(recovered?.termRuns ?? [])];
    this.cacheFirst = this.lastIndex + 1;
    this.lastLeaseMs = recovered?.leaseTimeMs ?? 0;
  }

  /** Lease time of the last entry, or 0. */
  get lastLeaseTimeMs(): number {
    if (this.lastLeaseMs === undefined) {
      const last = this.lastIndex === 0 ? undefined : this.slice(this.lastIndex, this.lastIndex, 0)[0];
      this.lastLeaseMs = last?.leaseTimeMs ?? 0;
    }
    return this.lastLeaseMs;
  }

  get lastTerm(): number {
    return this.runs.at(-1)?.term ?? 0;
  }

  /** Term of the entry at `index`, 0 for index 0, undefined beyond the end. */
  term(index: number): number | undefined {
    if (index === 0) return 0;
    if (index < 0 || index > this.lastIndex) return undefined;
    return this.runs[this.runOf(index)]?.term;
  }

  /** Raft §5.4.1: a later last term wins; with equal terms the longer log. */
  isUpToDate(lastIndex: number, lastTerm: number): boolean {
    if (lastTerm !== this.lastTerm) return lastTerm > this.lastTerm;
    return lastIndex >= this.lastIndex;
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, "a log has no gaps");
    assert(entry.term >= this.lastTerm, "terms never fall along a log");
    assert(entry.leaseTimeMs >= this.lastLeaseTimeMs, "lease time never falls along a log");
    if (entry.term !== this.lastTerm) this.runs.push({ firstIndex: entry.index, term: entry.term });
    this.cache.push(entry);
    this.cacheBytes += entry.payload.length;
    this.lastIndex = entry.index;
    this.lastLeaseMs = entry.leaseTimeMs;
  }

  /** Removes entries `from` and later. Only on conflict, never at or below the commit index (PROTOCOLS R2). */
  truncate(from: number): void {
    assert(from > this.commitIndex, "a committed entry is never truncated");
    assert(from <= this.lastIndex, "only existing entries are truncated");
    while (this.cache.length > 0 && this.lastIndex >= from) {
      this.cacheBytes -= this.cache.pop()?.payload.length ?? 0;
      this.lastIndex--;
    }
    this.lastIndex = from - 1;
    this.lastLeaseMs = undefined;
    this.cacheFirst = Math.min(this.cacheFirst, from);
    this.durableIndex = Math.min(this.durableIndex, this.lastIndex);
    while ((this.runs.at(-1)?.firstIndex ?? 0) >= from) this.runs.pop();
  }

  /** Entries from…to, both included, at least one and else within `maxBytes`; perhaps fewer. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    assert(from >= 1 && from <= to && to <= this.lastIndex, "a slice lies within the log");
    const last = Math.min(to, from + MAX_SLICE_ENTRIES - 1);
    if (from < this.cacheFirst) {
      return this.reader.read(this.group, from, Math.min(last, this.cacheFirst - 1), maxBytes);
    }
    const start = from - this.cacheFirst;
    let end = start;
    let bytes = 0;
    while (end <= last - this.cacheFirst) {
      bytes += this.cache[end]?.payload.length ?? 0;
      if (bytes > maxBytes && end > start) break;
      end++;
    }
    return this.cache.slice(start, end);
  }

  /** Bytes of payload of entries from…to, both included: of entries that are in memory. */
  payloadBytes(from: number, to: number): number {
    assert(from >= this.cacheFirst && to <= this.lastIndex, "entries that are not committed are in memory");
    let bytes = 0;
    for (let i = from - this.cacheFirst; i <= to - this.cacheFirst; i++) bytes += this.cache[i]?.payload.length ?? 0;
    return bytes;
  }

  /**
   * The largest index ≤ `index` whose term is ≤ `term`: where a log that has `term` at `index` may
   * agree with this one (the backtracking of Raft §5.3, end, by term).
   */
  lastIndexWithTermAtMost(term: number, index: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > 0) {
      const run = this.runs[this.runOf(at)];
      if (run === undefined || run.term <= term) return at;
      at = run.firstIndex - 1;
    }
    return 0;
  }

  /** A disk completion for an entry that has since been truncated counts nothing (PROTOCOLS D2). */
  markDurable(index: number, term: number): void {
    if (this.term(index) === term && index > this.durableIndex) this.durableIndex = index;
  }

  commitTo(index: number): void {
    if (index <= this.commitIndex) return;
    assert(index <= this.lastIndex, "only entries in the log are committed");
    this.commitIndex = index;
  }

  /**
   * Lets go of cached entries that are committed and durable, down to the memory limit. Those that are not applied yet,
   * too: a replica that receives faster than it applies would else keep all that it missed in memory.
   */
  trimCache(): void {
    if (this.cacheBytes <= this.maxCacheBytes && this.cache.length <= MAX_CACHE_ENTRIES) return;
    const droppable = Math.min(this.commitIndex, this.durableIndex) - this.cacheFirst + 1;
    // What stays is copied: for a few entries that is not worth it.
    if (droppable * 4 < this.cache.length) return;
    let drop = 0;
    while (
      drop < droppable &&
      (this.cacheBytes > this.maxCacheBytes / 2 || this.cache.length - drop > KEPT_CACHE_ENTRIES)
    ) {
      this.cacheBytes -= this.cache[drop]?.payload.length ?? 0;
      drop++;
    }
    this.cache = this.cache.slice(drop);
    this.cacheFirst += drop;
  }

  /** Position in `runs` of the run that holds `index`. */
  private runOf(index: number): number {
    let low = 0;
    let high = this.runs.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.runs[middle]?.firstIndex ?? 0) <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
