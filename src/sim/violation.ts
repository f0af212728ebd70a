/** The cluster did what it must never do. Ends a run. */
export class Violation extends Error {
  override name = "Violation";

  /**
   * @param rule which promise was broken: an id of PROTOCOLS or a few words
   * @param what happened
   */
  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(`${rule}: ${what}`);
  }
}

/** @throws {Violation} when `condition` is false; `what` is built only then */
export function check(condition: boolean, rule: string, what: () => string): asserts condition {
  if (!condition) throw new Violation(rule, what());
}
