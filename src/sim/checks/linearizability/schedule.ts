import type { Operation } from "./model.ts";

/** The operations of a history in the order in which a search needs them. */
export interface Schedule<Op> {
  /** In the order of their returns: the place is the operation's number, and its return the event of that number. */
  readonly answered: readonly Op[];
  /** Of unknown outcome, in the order of their invocations, with numbers of their own. */
  readonly unknown: readonly Op[];
  /** By event: those that may be linearized before that return and return later. */
  readonly pending: readonly (readonly number[])[];
  /** By event: of the operation itself and those pending, the ones that only look (`Model.observes`). */
  readonly observers: readonly (readonly number[])[];
  /** By event: of these, the ones that could not be linearized before the return before it. */
  readonly arrivals: readonly (readonly number[])[];
  /** By event: how many of unknown outcome were invoked before that return. */
  readonly unknownBefore: readonly number[];
}

export function schedule<Op extends Operation<unknown, unknown>>(
  operations: readonly Op[],
  observes: (operation: Op) => boolean,
): Schedule<Op> {
  const isAnswered = ({ returnedUs }: Op): boolean => returnedUs !== Number.POSITIVE_INFINITY;
  const answered = operations.filter(isAnswered).sort((a, b) => a.returnedUs - b.returnedUs);
  const unknown = operations.filter((op) => !isAnswered(op)).sort((a, b) => a.invokedUs - b.invokedUs);
  const byInvocation = answered.map((_, number) => number);
  const invokedUs = (number: number): number => answered[number]?.invokedUs ?? 0;
  byInvocation.sort((a, b) => invokedUs(a) - invokedUs(b));
  const looks = (number: number): boolean => observes(answered[number] as Op);

  const pending: number[][] = [];
  const arrivals: number[][] = [];
  const observers: number[][] = [];
  const unknownBefore: number[] = [];
  const [invoked, begun] = [{ next: 0 }, { next: 0 }];
  let open: number[] = [];
  for (const [event, { returnedUs }] of answered.entries()) {
    const arrived: number[] = [];
    for (; invoked.next < byInvocation.length; invoked.next++) {
      const number = byInvocation[invoked.next] ?? 0;
      // Whoever is invoked at the very moment of a return overlaps with it.
      if (invokedUs(number) > returnedUs) break;
      arrived.push(number);
    }
    while ((unknown[begun.next]?.invokedUs ?? Number.POSITIVE_INFINITY) <= returnedUs) begun.next++;
    open = [...open, ...arrived].filter((number) => number >= event).sort((a, b) => a - b);
    arrivals.push(arrived.filter(looks));
    observers.push(open.filter(looks));
    pending.push(open.filter((number) => number !== event));
    unknownBefore.push(begun.next);
  }
  return { answered, unknown, pending, arrivals, observers, unknownBefore };
}
