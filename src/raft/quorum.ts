/** Votes that any two majorities share at least one of, for `voters` ≥ 1. */
export function majority(voters: number): number {
  return Math.floor(voters / 2) + 1;
}

/** The largest value that a majority of the voters has reached. One value a voter. */
export function majorityReached(values: readonly number[]): number {
  const ascending = values.toSorted((a, b) => a - b);
  return ascending[values.length - majority(values.length)] ?? 0;
}
