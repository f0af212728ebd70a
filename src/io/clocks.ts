import type { Clock } from "../engine/ports.ts";

/** The operating system's clocks. Monotonic time does not run while the machine sleeps. */
export const systemClock: Clock = {
  monotonicMs: () => performance.now(),
  wallMs: () => Date.now(),
};
