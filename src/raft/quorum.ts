/** Votes that any two majorities share at least one of, for `voters` ≥ 1. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/**
 * The largest value that a majority of the voters has reached. One value a voter; they are put in order, in place:
 * this runs for every answer of a follower and allocates nothing.
 */
export function majorityReached(values: number[]): number {
  for (let i = 1; i < values.length; i++) {
    const value = values[i] ?? 0;
    let at = i;
    for (; at > 0 && (values[at - 1] ?? 0) > value; at--) values[at] = values[at - 1] ?? 0;
    values[at] = value;
  }
  return values[values.length - majority(values.length)] ?? 0;
}
