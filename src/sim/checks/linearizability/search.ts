import { Heap } from "../../../kernel/heap.ts";
import type { Model, Operation } from "./model.ts";
import { type Schedule, schedule } from "./schedule.ts";

export type Verdict<State, Op> =
  | { readonly verdict: "linearizable"; readonly steps: number }
  /** The budget ended first: nobody knows. */
  | { readonly verdict: "undecided"; readonly steps: number }
  | { readonly verdict: "violation"; readonly steps: number; readonly contradiction: Contradiction<State, Op> };

/** The shortest prefix of a history, in the order of returns, that has no linearization. */
export interface Contradiction<State, Op> {
  /** The operation whose return ends the prefix: without that return the rest has a linearization. */
  readonly stuck: Op;
  /** The longest linearization found. Nothing that may follow it lets `stuck` follow. */
  readonly linearization: readonly Op[];
  readonly state: State;
  /** What else was under way when `stuck` returned, and is not in the linearization. */
  readonly pending: readonly Op[];
}

/** A way to linearize some operations: the newest, and all before it. */
interface Path<Op> {
  readonly operation: Op;
  readonly before: Path<Op> | undefined;
}

/** How far a linearization has come. */
interface Configuration<State, Op> {
  /** Everything that returned before this one is linearized. */
  event: number;
  readonly state: State;
  /** Those linearized that return later, by their number; in order. */
  ahead: readonly number[];
  /** Those of unknown outcome that took effect; in order. */
  readonly used: readonly number[];
  path: Path<Op> | undefined;
  /** How many unknown outcomes more than the first that came so far. */
  excess: number;
  /** In the order in which they were entered. */
  serial: number;
  heapIndex: number;
}

/**
 * Whether some order of the operations, which keeps the order of those that did not overlap, is one that the model can do
 * (Herlihy & Wing, TOPLAS 1990).
 *
 * The search is that of Wing & Gong (JPDC 1993), with Lowe's refinements (Concurrency and Computation, 2017): operations
 * are linearized just in time, before the return of one that needs them; a configuration that was searched before is not searched again. To
 * these comes that one with fewer effects of unknown outcomes stands for those with more: what those did may still happen.
 *
 * @param operations of one object, in any order
 * @param maxSteps of the model
 */
export function linearize<State, Input, Output, Op extends Operation<Input, Output>>(
  model: Model<State, Input, Output>,
  operations: readonly Op[],
  maxSteps: number,
): Verdict<State, Op> {
  return new Search<State, Input, Output, Op>(
    model,
    schedule(operations, (operation) => model.observes(operation)),
    maxSteps,
  ).run();
}

class Search<State, Input, Output, Op extends Operation<Input, Output>> {
  private steps = 0;
  /** Searched first: what follows by operations that were answered. */
  private readonly stack: Iterator<Configuration<State, Op>>[] = [];
  /**
   * Searched where that leads nowhere: what follows by one of unknown outcome. First with few of them, so that those with
   * more are mostly known already, and then where the search came furthest.
   */
  private readonly stranded = new Heap<Configuration<State, Op>>(isTriedBefore);
  private entered = 0;
  /** By event: of the first configuration that came there. */
  private readonly usedFirst: number[] = [];
  /** By everything else: the sets of used unknown outcomes. */
  private readonly searched = new Map<string, (readonly number[])[]>();
  private deepest: Configuration<State, Op>;

  constructor(
    private readonly model: Model<State, Input, Output>,
    private readonly history: Schedule<Op>,
    private readonly maxSteps: number,
  ) {
    this.deepest = configurationOf(0, model.initial, [], [], undefined);
  }

  run(): Verdict<State, Op> {
    this.enter(this.deepest);
    while (this.deepest.event < this.history.answered.length) {
      if (this.steps > this.maxSteps) return { verdict: "undecided", steps: this.steps };
      const next = this.stack.at(-1)?.next();
      if (next === undefined) {
        const stranded = this.stranded.pop();
        if (stranded === undefined) return this.violation();
        this.enterUnknown(stranded);
      } else if (next.done === true) this.stack.pop();
      else this.enter(next.value);
    }
    return { verdict: "linearizable", steps: this.steps };
  }

  private enter(configuration: Configuration<State, Op>): void {
    this.observe(configuration);
    if (configuration.event > this.deepest.event) this.deepest = configuration;
    if (configuration.event >= this.history.answered.length || this.isSearched(configuration)) return;
    configuration.serial = ++this.entered;
    const { event, used } = configuration;
    this.usedFirst[event] ??= used.length;
    configuration.excess = used.length - (this.usedFirst[event] ?? 0);
    this.stack.push(this.successors(configuration));
    if (used.length < (this.history.unknownBefore[event] ?? 0)) this.stranded.push(configuration);
  }

  /** Linearizes what changes nothing, and passes the returns of what is linearized. */
  private observe(configuration: Configuration<State, Op>): void {
    const { observers, arrivals } = this.history;
    let candidates = observers[configuration.event] ?? [];
    for (;;) {
      for (const number of candidates) this.observeOne(configuration, number);
      if (configuration.ahead[0] !== configuration.event) return;
      configuration.ahead = configuration.ahead.slice(1);
      configuration.event++;
      // The others could not be linearized without a change, and the state is still the same.
      candidates = arrivals[configuration.event] ?? [];
    }
  }

  private observeOne(configuration: Configuration<State, Op>, number: number): void {
    const { state, ahead, event } = configuration;
    if (ahead.includes(number)) return;
    const operation = this.history.answered[number] as Op;
    if (!this.step(state, operation, event).includes(state)) return;
    configuration.ahead = inserted(ahead, number);
    configuration.path = { operation, before: configuration.path };
  }

  private step(state: State, operation: Op, event: number): readonly State[] {
    this.steps++;
    return this.model.step(state, operation, this.history.answered[event]?.returnedUs ?? Number.POSITIVE_INFINITY);
  }

  /** First what has to come now, then what may come before it. */
  private *successors(from: Configuration<State, Op>): Generator<Configuration<State, Op>> {
    const { answered, pending } = this.history;
    const { event, state, ahead, used, path: before } = from;
    for (const number of [event, ...(pending[event] ?? [])]) {
      if (ahead.includes(number)) continue;
      const operation = answered[number] as Op;
      for (const next of this.step(state, operation, event)) {
        yield configurationOf(event, next, inserted(ahead, number), used, { operation, before });
      }
    }
  }

  private enterUnknown(from: Configuration<State, Op>): void {
    const { unknown, unknownBefore } = this.history;
    const { event, state, ahead, used, path: before } = from;
    const count = unknownBefore[event] ?? 0;
    for (let number = 0; number < count; number++) {
      if (used.includes(number)) continue;
      const operation = unknown[number] as Op;
      for (const next of this.step(state, operation, event)) {
        // Without an effect it may as well come later.
        if (next !== state)
          this.enter(configurationOf(event, next, ahead, inserted(used, number), { operation, before }));
      }
    }
  }

  /** Remembers it if not. */
  private isSearched({ event, state, ahead, used }: Configuration<State, Op>): boolean {
    const nowUs = this.history.answered[event]?.returnedUs ?? Number.POSITIVE_INFINITY;
    const key = `${event}|${ahead.join()}|${this.model.key(state, nowUs)}`;
    const known = this.searched.get(key);
    if (known === undefined) this.searched.set(key, [used]);
    else if (known.some((fewer) => fewer.every((number) => used.includes(number)))) return true;
    else known.push(used);
    return false;
  }

  private violation(): Verdict<State, Op> {
    const { answered, pending, unknown, unknownBefore } = this.history;
    const { event, state, ahead, used, path } = this.deepest;
    const linearization: Op[] = [];
    for (let step = path; step !== undefined; step = step.before) linearization.push(step.operation);
    const open = (pending[event] ?? []).filter((number) => !ahead.includes(number));
    const unused = unknown.slice(0, unknownBefore[event]).filter((_, number) => !used.includes(number));
    const stuck = answered[event] as Op;
    const others = [...open.map((number) => answered[number] as Op), ...unused];
    const contradiction = { stuck, linearization: linearization.reverse(), state, pending: others };
    return { verdict: "violation", steps: this.steps, contradiction };
  }
}

function configurationOf<State, Op>(
  event: number,
  state: State,
  ahead: readonly number[],
  used: readonly number[],
  path: Path<Op> | undefined,
): Configuration<State, Op> {
  return { event, state, ahead, used, path, excess: 0, serial: 0, heapIndex: -1 };
}

function isTriedBefore(a: Configuration<unknown, unknown>, b: Configuration<unknown, unknown>): boolean {
  if (a.excess !== b.excess) return a.excess < b.excess;
  if (a.event !== b.event) return a.event > b.event;
  return a.serial > b.serial;
}

function inserted(numbers: readonly number[], number: number): number[] {
  const at = numbers.findIndex((other) => other > number);
  return at === -1 ? [...numbers, number] : numbers.toSpliced(at, 0, number);
}
