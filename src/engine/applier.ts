import { assert } from "../kernel/assert.ts";
import type { RaftLog } from "../raft/log.ts";
import type { Entry, GroupId } from "../raft/types.ts";
import { type ApplyJournal, POISON_DEATHS, type Suspect } from "./apply-journal.ts";
import { ApplyError, type GroupStop } from "./group-stop.ts";
import type { Outcome, StateMachine } from "./state-machine.ts";

/** Entries read from the log and applied between two looks at the clock, and their bytes. */
const APPLY_ENTRIES = 256;
const APPLY_BYTES = 256 * 1024;
/** Applying gives way to the loop after so long, all groups together (PROTOCOLS D10). */
const APPLY_BUDGET_MS = 8;
/** What an entry takes in the log beside its payload, about. */
const ENTRY_BYTES = 24;

export interface ApplierOptions<Result> {
  readonly group: GroupId;
  readonly log: RaftLog;
  readonly machine: StateMachine<Result>;
  readonly journal: ApplyJournal;
  /** So often, by index, {@link ApplierOptions.onCheckpoint} is called. */
  readonly checkpointEvery: number;
  /** The highest feature level that this program knows. */
  readonly supportedLevel: number;
  /** The entry was applied. May call {@link Applier.stop}. */
  onCheckpoint(index: number): void;
  onStopped(stop: GroupStop): void;
  onOutcome(outcome: Outcome<Result>): void;
  readonly nowMs: () => number;
}

/** Feeds committed entries to the state machine, each once and in order, and knows when to stop (PROTOCOLS D3, R7). */
export class Applier<Result> {
  stopped: GroupStop | undefined;
  /** Of entries applied since the start. */
  appliedBytes = 0;
  private suspect: Suspect | undefined;
  private readonly emit: (outcome: Outcome<Result>) => void;

  constructor(private readonly options: ApplierOptions<Result>) {
    this.suspect = options.journal.suspect(options.group);
    this.emit = (outcome) => options.onOutcome(outcome);
    this.forgetSuspect();
  }

  get hasMore(): boolean {
    return this.stopped === undefined && this.options.log.appliedIndex < this.applicable;
  }

  /** Applies what it can within its `share` of the budget, and a little at least. @throws {ApplyError} when the process should end */
  run(share = 1): void {
    if (!this.hasMore || this.isOutdated(this.options.log.appliedIndex)) return;
    const { log, journal, nowMs } = this.options;
    const startMs = nowMs();
    do {
      const first = log.appliedIndex + 1;
      if (this.isPoisoned(first)) break;
      const entries = log.slice(first, this.lastOfSlice(first), APPLY_BYTES);
      journal.begin(this.options.group, first, first + entries.length - 1);
      this.apply(entries);
      this.forgetSuspect();
    } while (this.hasMore && nowMs() - startMs <= share * APPLY_BUDGET_MS);
    journal.end();
  }

  /** A snapshot took the place of the state, and of entries that are not applied here any more. */
  jumped(): void {
    this.forgetSuspect();
  }

  stop(stop: GroupStop): void {
    if (this.stopped !== undefined) return;
    this.stopped = stop;
    this.options.onStopped(stop);
  }

  /** PROTOCOLS D3: what is committed and durable here. */
  private get applicable(): number {
    return Math.min(this.options.log.commitIndex, this.options.log.durableIndex);
  }

  /** Suspects are applied one by one, so that the next death names its entry; no slice reaches into them. */
  private lastOfSlice(first: number): number {
    const { suspect } = this;
    const last = Math.min(this.applicable, first + APPLY_ENTRIES - 1);
    if (suspect === undefined || first > suspect.to) return last;
    return first < suspect.from ? Math.min(last, suspect.from - 1) : first;
  }

  /** What the entries behind this one mean is not known here. */
  private isOutdated(index: number): boolean {
    const { machine, supportedLevel: supported } = this.options;
    const level = machine.featureLevel;
    if (level <= supported) return false;
    this.stop({ reason: "outdated", index, level, supported });
    return true;
  }

  private isPoisoned(index: number): boolean {
    const { suspect } = this;
    if (suspect === undefined || suspect.deaths < POISON_DEATHS || index < suspect.from) return false;
    this.stop({ reason: "poisoned", index, deaths: suspect.deaths, error: suspect.error });
    return true;
  }

  private apply(entries: readonly Entry[]): void {
    const { log, machine, checkpointEvery } = this.options;
    try {
      for (const entry of entries) {
        assert(entry.index === log.appliedIndex + 1, "entries are applied in order, each once");
        machine.apply(entry, this.emit);
        log.appliedIndex = entry.index;
        this.appliedBytes += ENTRY_BYTES + entry.payload.length;
        if (entry.kind === "feature" && this.isOutdated(entry.index)) return;
        if (entry.index % checkpointEvery !== 0) continue;
        this.options.onCheckpoint(entry.index);
        if (this.stopped !== undefined) return;
      }
    } catch (error) {
      this.threw(log.appliedIndex + 1, error);
    }
  }

  private threw(index: number, error: unknown): void {
    const { group, journal } = this.options;
    const { deaths, error: message } = journal.threw(group, index, String(error));
    if (deaths < POISON_DEATHS) throw new ApplyError(group, index, deaths, error);
    this.stop({ reason: "poisoned", index, deaths, error: message });
  }

  private forgetSuspect(): void {
    if (this.suspect === undefined || this.options.log.appliedIndex < this.suspect.to) return;
    this.suspect = undefined;
    this.options.journal.cleared(this.options.group);
  }
}
