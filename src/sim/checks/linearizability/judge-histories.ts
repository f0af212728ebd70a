import type { ClientOperation } from "./client-operation.ts";
import { fenceModel } from "./fence-model.ts";
import { lockModel } from "./lock-model.ts";
import type { Model } from "./model.ts";
import { type Part, Partition } from "./partition.ts";
import { type Contradiction, linearize, type Verdict } from "./search.ts";
import { semaphoreModel } from "./semaphore-model.ts";
import { sessionModel } from "./session-model.ts";

/** What became of the history of one object. */
export interface Judgement<Source> {
  /** `lock x`, `semaphore p`, `session s`, `fence r` */
  readonly object: string;
  readonly verdict: Verdict<unknown, unknown>["verdict"];
  readonly operations: number;
  readonly steps: number;
  /** Of a violation: what contradicts what, in lines of text, and the operations that these name. */
  readonly explanation: readonly string[];
  readonly sources: readonly Source[];
}

/** Of the linearization that is shown. */
const SHOWN_LAST = 12;
const SHOWN_PENDING = 12;

/**
 * Judges whether a history of locks, semaphores, sessions and fences is linearizable, object by object.
 *
 * @param maxSteps of the search for each object: what takes more is undecided
 */
export function judgeLinearizability<Source>(
  operations: readonly ClientOperation<Source>[],
  maxSteps: number,
): Judgement<Source>[] {
  const { locks, semaphores, sessions, fences } = new Partition(operations);
  return [
    ...judgeParts("lock", lockModel, locks, maxSteps),
    ...judgeParts("semaphore", semaphoreModel, semaphores, maxSteps),
    ...judgeParts("session", sessionModel, sessions, maxSteps),
    ...judgeParts("fence", fenceModel, fences, maxSteps),
  ];
}

function judgeParts<State, Input, Output, Source>(
  kind: string,
  model: Model<State, Input, Output>,
  parts: ReadonlyMap<string, Part<Input, Output, Source>>,
  maxSteps: number,
): Judgement<Source>[] {
  return [...parts].map(([name, part]) => {
    const found = linearize(model, part, maxSteps);
    const { verdict, steps } = found;
    const known = { object: `${kind} ${name}`, verdict, steps, operations: part.length };
    if (found.verdict !== "violation") return { ...known, explanation: [], sources: [] };
    const { contradiction } = found;
    return { ...known, explanation: explain(model, contradiction), sources: sourcesOf(contradiction) };
  });
}

/** In lines: what cannot follow, where the longest linearization ends, its last operations, and what else was under way. */
export function explain<State, Input, Output, Op extends Part<Input, Output, unknown>[number]>(
  model: Model<State, Input, Output>,
  { stuck, linearization, state, pending }: Contradiction<State, Op>,
): string[] {
  const line = (operation: Op): string => `  ${times(operation)} ${model.tell(operation)}`;
  const last = linearization.slice(-SHOWN_LAST);
  return [
    "this cannot be linearized:",
    line(stuck),
    `the longest linearization of what came before has ${linearization.length} operations and ends with`,
    ...last.map(line),
    `  → ${model.show(state)}`,
    ...(pending.length === 0 ? [] : ["under way, and of no help:", ...pending.slice(0, SHOWN_PENDING).map(line)]),
    ...(pending.length > SHOWN_PENDING ? [`  … and ${pending.length - SHOWN_PENDING} more`] : []),
  ];
}

/** The operation that does not fit first, then the last ones before it. */
function sourcesOf<Source>({ stuck, linearization }: Contradiction<unknown, { readonly source: Source }>): Source[] {
  return [stuck, ...linearization.slice(-3).reverse()].map(({ source }) => source);
}

function times({ invokedUs, returnedUs }: { readonly invokedUs: number; readonly returnedUs: number }): string {
  const end = Number.isFinite(returnedUs) ? (returnedUs / 1_000).toFixed(1) : "";
  return `${(invokedUs / 1_000).toFixed(1)}–${end} ms`;
}
