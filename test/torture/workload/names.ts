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
