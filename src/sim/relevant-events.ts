import type { TraceLine } from "./trace.ts";

/** What happened last stands there, whatever it was. */
const LAST_LINES = 4;
/** More than that nobody reads. */
const MOST_LINES = 40;

/** What a violation speaks of, as far as its words say. */
interface Subjects {
  readonly nodes: ReadonlySet<number>;
  readonly terms: ReadonlySet<number>;
  readonly indexes: ReadonlySet<number>;
  /** Of locks, semaphores, sessions, owners. */
  readonly names: readonly string[];
  /** Of queues. */
  readonly messages: ReadonlySet<number>;
}

/**
 * Of all that happened in a run what touches the thing that went wrong: an entry and who stored it, a term and its votes, a lock
 * and who asked for it; and what befell the nodes and the network. The newest lines, oldest first.
 *
 * @param message of the violation
 */
export function relevantEvents(lines: readonly TraceLine[], message: string): TraceLine[] {
  const subjects = subjectsOf(message);
  const relevant = lines.filter((line, i) => i >= lines.length - LAST_LINES || touches(line, subjects));
  return relevant.slice(-MOST_LINES);
}

function subjectsOf(message: string): Subjects {
  const numbers = (pattern: RegExp): Set<number> => {
    return new Set([...message.matchAll(pattern)].map(([, number]) => Number(number)));
  };
  const entries = [...message.matchAll(/\b(\d+)\/(\d+)\b/g)];
  const words = message.matchAll(/\b(?:lock|pool|session|owner|key|probe)[-/][\w/-]+/g);
  return {
    nodes: numbers(/\bnode(\d+)\b/g),
    terms: new Set([...numbers(/\bterm (\d+)/g), ...entries.map(([, term]) => Number(term))]),
    indexes: new Set([
      ...numbers(/\b(?:entry|index|at|acknowledges|applied|up to) (\d+)\b/g),
      ...entries.map(([, , index]) => Number(index)),
    ]),
    names: [...new Set([...words].map(([name]) => name))],
    messages: numbers(/\bmessage (\d+)/g),
  };
}

function touches({ node, what, detail }: TraceLine, subjects: Subjects): boolean {
  const { nodes, names, terms, indexes, messages } = subjects;
  const isMessage = what.startsWith("→");
  if (!isMessage && !what.startsWith("client") && !what.startsWith("consumer")) {
    // A crash, a partition, a new leader. Snapshots are made all the time.
    if (what.startsWith("snapshot") && indexes.size === 0) return false;
    return node === 0 || nodes.size === 0 || nodes.has(node);
  }
  if (isMessage && isRaft(detail)) {
    const told = entriesOf(detail);
    if (told === undefined) return terms.has(detail.term) && isAmong(nodes, detail);
    return [...indexes].some((index) => told.first <= index && index <= told.last) && isAmong(nodes, detail);
  }
  if (names.length === 0 && messages.size === 0) return false;
  const text = JSON.stringify(detail);
  if ([...messages].some((number) => text.includes(`"message":${number},`))) return true;
  return names.some((name) => text.includes(`"${name}"`));
}

interface RaftDetail {
  readonly type: string;
  readonly from: number;
  readonly to: number;
  readonly term: number;
  readonly index?: number;
  readonly prevIndex?: number;
  readonly entries?: readonly unknown[];
}

function isRaft(detail: unknown): detail is RaftDetail {
  return typeof detail === "object" && detail !== null && "term" in detail && "from" in detail;
}

function isAmong(nodes: ReadonlySet<number>, { from, to }: RaftDetail): boolean {
  return nodes.size === 0 || nodes.has(from) || nodes.has(to);
}

/** Which entries the message brings or acknowledges; undefined: it speaks of none. */
function entriesOf({ prevIndex, entries, index }: RaftDetail): { first: number; last: number } | undefined {
  if (prevIndex !== undefined) return { first: prevIndex, last: prevIndex + (entries?.length ?? 0) };
  return index === undefined ? undefined : { first: index, last: index };
}
