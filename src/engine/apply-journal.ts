import type { GroupId } from "../raft/types.ts";

/** Entries, one of which ended the process while it was applied. Indices: both included. */
export interface Suspect {
  readonly from: number;
  readonly to: number;
  /** Times that this version of the program died there, at least 1. */
  readonly deaths: number;
  /** What was thrown there, if anything was: a process that is killed says nothing. */
  readonly error?: string | undefined;
}

/** So many deaths at one entry, and it is not tried again by the same version of the program (PROTOCOLS R7). */
export const POISON_DEATHS = 3;

/**
 * Remembers, beyond the end of this process, which entries it was applying: also an end that nobody can catch, by
 * a signal or for want of memory. The end of the whole machine is no fault of an entry's, and is not counted.
 */
export interface ApplyJournal {
  /** Of this version of the program, as it was found at the start or left by {@link threw}. */
  suspect(group: GroupId): Suspect | undefined;
  /** Entries `from` to `to` are applied from now on. A second call moves the mark. Costs one small write, unsynced. */
  begin(group: GroupId, from: number, to: number): void;
  /** Nothing is being applied any more: whatever kills the process now is no fault of an entry's. */
  end(): void;
  /** Applying the entry threw. Ends what was begun; durable on return. @returns what is known of the entry now */
  threw(group: GroupId, index: number, error: string): Suspect;
  /** The suspected entries were applied after all. */
  cleared(group: GroupId): void;
}

/** What is known after one more death within `from`…`to`: only entries that every death had in common stay suspect. */
export function afterDeath(known: Suspect | undefined, from: number, to: number, error?: string): Suspect {
  if (known === undefined || from > known.to || to < known.from) return { from, to, deaths: 1, error };
  return {
    from: Math.max(from, known.from),
    to: Math.min(to, known.to),
    deaths: known.deaths + 1,
    error: error ?? known.error,
  };
}
