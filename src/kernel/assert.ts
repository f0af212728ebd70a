/** A broken invariant. The process that meets one stops: a wrong answer is worse than none. */
export class InvariantError extends Error {
  override name = "InvariantError";
}

/**
 * Holds an invariant at run time, in production too.
 *
 * @throws {InvariantError} when `condition` is false
 */
export function assert(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Marks the impossible branch of an exhaustive `switch`. */
export function unreachable(value: never): never {
  throw new InvariantError(`unexpected value ${JSON.stringify(value)}`);
}
