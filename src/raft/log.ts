import { assert } from "../kernel/assert.ts";
import { Configurations, decodeConfiguration, isSame } from "./configuration.ts";
import type { EntryReader, GroupLog, TermRun } from "./storage.ts";
import type { Entry, GroupId, LogPoint, Snapshot } from "./types.ts";

/** Entries of one slice: small ones take room in a frame and time to apply, too. */
const MAX_SLICE_ENTRIES = 4096;
/** Entries in memory, and to how many they are cut down. */
const MAX_CACHE_ENTRIES = 65_536;
const KEPT_CACHE_ENTRIES = 32_768;
const BEGINNING: LogPoint = { index: 0, term: 0, leaseTimeMs: 0 };

/**
 * The log of one group as the protocol sees it: the newest entries in memory, the rest behind an
 * {@link EntryReader}, and the term of every entry at hand.
 */
export class RaftLog {
  /** Invariant: appliedIndex ≤ commitIndex ≤ lastIndex. Never falls. */
  commitIndex: number;
  /** What the state machine has seen. Never falls. */
  appliedIndex: number;
  /** Highest index on this node's disk. Invariant: ≤ lastIndex; falls only by truncation. */
  durableIndex: number;
  lastIndex: number;

  /** Entries cacheFirst…lastIndex. */
  private cache: Entry[] = [];
  private cacheFirst: number;
  private cacheBytes = 0;
  private runs: TermRun[];
  /** Where the log begins: entries up to here are forgotten. Invariant: ≤ newestSnapshot.index. Never falls. */
  private start: LogPoint;
  private newestSnapshot: Snapshot | undefined;
  /** What was recovered ended before the newest snapshot, or contradicts it, and is void: the host's log must hear of it. */
  readonly restarted: boolean;
  readonly configurations: Configurations;
  /** Undefined after a truncation, until somebody asks. */
  private lastLeaseMs: number | undefined;

  constructor(
    private readonly group: GroupId,
    private readonly reader: EntryReader,
    recovered: GroupLog | undefined,
    private readonly maxCacheBytes: number,
    snapshot?: Snapshot,
  ) {
    const first = snapshot ?? { index: 0, configuration: { voters: [], learners: [] } };
    this.configurations = new Configurations(first, recovered?.configurations ?? []);
    this.start = recovered?.compacted ?? BEGINNING;
    this.lastIndex = recovered?.lastIndex ?? 0;
    assert(this.lastIndex >= this.start.index, "a log ends no sooner than it begins");
    assert((snapshot?.index ?? 0) >= this.start.index, "what a log has forgotten is in a snapshot");
    this.durableIndex = this.lastIndex;
    this.commitIndex = snapshot?.index ?? 0;
    this.appliedIndex = this.commitIndex;
    this.newestSnapshot = snapshot;
    this.runs = [...(recovered?.termRuns ?? [])];
    this.forgetRuns();
    this.cacheFirst = this.lastIndex + 1;
    this.lastLeaseMs = recovered?.leaseTimeMs ?? 0;
    // Installed, and the process ended before the log said so.
    this.restarted = snapshot !== undefined && this.term(snapshot.index) !== snapshot.term;
    if (snapshot !== undefined && this.restarted) this.restart(snapshot);
  }

  /** Entries up to here are forgotten; what they did is in {@link snapshot}. Index 0: none are. */
  get compacted(): LogPoint {
    return this.start;
  }

  /** The newest of this replica, durable. */
  get snapshot(): Snapshot | undefined {
    return this.newestSnapshot;
  }

  /** Lease time of the last entry, or 0. */
  get lastLeaseTimeMs(): number {
    this.lastLeaseMs ??= this.point(this.lastIndex).leaseTimeMs;
    return this.lastLeaseMs;
  }

  get lastTerm(): number {
    return this.runs.at(-1)?.term ?? this.start.term;
  }

  /** Term of the entry at `index`, 0 for index 0, undefined beyond the end and for what is forgotten. */
  term(index: number): number | undefined {
    if (index === this.start.index) return this.start.term;
    if (index < this.start.index || index > this.lastIndex) return undefined;
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
    if (entry.term !== this.runs.at(-1)?.term) this.runs.push({ firstIndex: entry.index, term: entry.term });
    if (entry.kind === "configuration") this.configurations.append(entry.index, decodeConfiguration(entry.payload));
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
    this.configurations.truncate(from);
  }

  /** Entries from…to, both included, at least one and else within `maxBytes`; perhaps fewer. */
  slice(from: number, to: number, maxBytes: number): Entry[] {
    assert(from > this.start.index && from <= to && to <= this.lastIndex, "a slice lies within the log");
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
   * agree with this one (the backtracking of Raft §5.3, end, by term). Of what is forgotten any may.
   */
  lastIndexWithTermAtMost(term: number, index: number): number {
    let at = Math.min(index, this.lastIndex);
    while (at > this.start.index) {
      const run = this.runs[this.runOf(at)];
      if (run === undefined || run.term <= term) return at;
      at = run.firstIndex - 1;
    }
    return at === this.start.index && this.start.term > term ? at - 1 : at;
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

  /** The state as of `snapshot` is durable here: what it holds can be forgotten. */
  adopt(snapshot: Snapshot): void {
    assert(snapshot.index <= this.appliedIndex, "a snapshot is of what is applied");
    assert(snapshot.index > (this.newestSnapshot?.index ?? 0), "snapshots get newer");
    assert(this.term(snapshot.index) === snapshot.term, "a snapshot is of an entry in the log");
    const configuration = this.configurations.at(snapshot.index);
    assert(isSame(snapshot.configuration, configuration), "a snapshot says who belonged to the group then");
    this.newestSnapshot = snapshot;
  }

  /** Forgets the entries up to `index`. */
  compactTo(index: number): void {
    assert(index <= (this.newestSnapshot?.index ?? 0), "a log forgets only what a snapshot holds");
    assert(index > this.start.index, "a log begins ever later");
    this.start = this.point(index);
    this.configurations.compactTo(index);
    this.forgetRuns();
    let drop = 0;
    for (; this.cacheFirst + drop <= index; drop++) this.cacheBytes -= this.cache[drop]?.payload.length ?? 0;
    if (drop > 0) this.cache = this.cache.slice(drop);
    this.cacheFirst += drop;
  }

  /**
   * The state as of `snapshot` has come from the leader, is durable here and in force. If the log holds the entry at which
   * it was made, what follows that one is kept, else nothing is (Raft §7): a log without a committed entry holds nothing
   * behind it that could be committed.
   *
   * @returns whether the log was kept
   */
  install(snapshot: Snapshot): boolean {
    assert(snapshot.index > this.commitIndex, "a snapshot that is installed is ahead of what is committed here");
    const kept = this.term(snapshot.index) === snapshot.term;
    if (!kept) this.restart(snapshot);
    this.newestSnapshot = snapshot;
    this.commitIndex = snapshot.index;
    this.appliedIndex = snapshot.index;
    this.durableIndex = Math.max(this.durableIndex, snapshot.index);
    return kept;
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

  /** Everything is void; the log begins behind `point`. */
  private restart({ index, term, leaseTimeMs, configuration }: Snapshot): void {
    this.configurations.restart(index, configuration);
    this.start = { index, term, leaseTimeMs };
    this.lastIndex = index;
    this.durableIndex = index;
    this.lastLeaseMs = leaseTimeMs;
    this.runs = [];
    this.cache = [];
    this.cacheFirst = index + 1;
    this.cacheBytes = 0;
  }

  /** Drops the runs of entries that are forgotten. */
  private forgetRuns(): void {
    const first = this.start.index + 1;
    const kept = this.lastIndex < first ? this.runs.length : this.runOf(first);
    this.runs.splice(0, kept);
    const run = this.runs[0];
    if (run !== undefined && run.firstIndex < first) this.runs[0] = { firstIndex: first, term: run.term };
  }

  /** Of an entry that is not forgotten; reads the log if it is not in memory. */
  point(index: number): LogPoint {
    if (index === this.start.index) return this.start;
    if (index === this.newestSnapshot?.index) return pointOf(this.newestSnapshot);
    const entry = this.slice(index, index, 0)[0];
    assert(entry?.index === index, "an entry of the log can be read");
    return pointOf(entry);
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

function pointOf({ index, term, leaseTimeMs }: LogPoint): LogPoint {
  return { index, term, leaseTimeMs };
}
