/** What all clients fight for. */
export const locks = ["a", "b", "c", "d", "e", "f", "g", "h"] as const;
/** Locks of sessions, which keep them for seconds; some of the others want them, too. */
export const kept = ["k", "l", "m", "n", "a"] as const;
/** Locks that are taken in pairs, in either order. */
export const pairs = ["p", "q", "r"] as const;
/** Locks with a queue. */
export const queued = ["s", "t"] as const;
/** Resources behind fences: one for each lock, and some that only the kind `fences` offers tokens to. */
export const resources = ["x", "y", "z"] as const;
/** Locks that are taken several at a time, and now and then alone. */
export const bundled = ["u", "v", "w", "uv"] as const;
/** Locks whose holders say where to reach them. */
export const led = ["led-1", "led-2"] as const;
/** Semaphores and the number of their permits. */
export const semaphores: readonly Semaphore[] = [
  { semaphore: "gpu", limit: 3 },
  { semaphore: "pool", limit: 5 },
  { semaphore: "pair", limit: 2 },
];
/** For circles that pass through permits. */
export const circling: readonly Semaphore[] = [
  { semaphore: "ring-1", limit: 2 },
  { semaphore: "ring-2", limit: 3 },
];
/** Of which every client has a permit at the end. */
export const residue: Semaphore = { semaphore: "residue", limit: 1_000 };

/** Held from the beginning to the end. */
export const sentinel: Semaphore = { semaphore: "sentinel", limit: 3 };

export interface Semaphore {
  readonly semaphore: string;
  readonly limit: number;
}
