import type { BenchCluster } from "../clusters/bench-cluster.ts";
import type { LockClient, Place } from "../clusters/system.ts";

/** Between two attempts: the resolution of what is measured. */
const INTERVAL_MS = 10;
/** An attempt without an end by then is given up, and its connection with it. */
const ATTEMPT_MS = 2_000;

/**
 * Clients that come one after the other, whatever became of those before, each to the next node, none of them knowing who
 * leads. So the time without a success is that of the cluster, and not of some client's time-outs and retries.
 */
export class Probe {
  /** When each pair succeeded, ascending, in ms of `performance.now()`. */
  readonly successes: number[] = [];
  private readonly idle: LockClient[][];
  private readonly timer: Timer;
  private attempts = 0;
  private stopped = false;

  constructor(
    private readonly cluster: BenchCluster,
    private readonly name: string,
  ) {
    this.idle = cluster.places.map(() => []);
    this.timer = setInterval(() => void this.attempt(), INTERVAL_MS);
  }

  stop(): void {
    this.stopped = true;
    clearInterval(this.timer);
    for (const clients of this.idle) for (const client of clients) client.close();
  }

  /** Waits until pairs succeed again and again: `count` of them in the last `withinMs`. */
  async isSteady(count: number, withinMs: number, deadlineMs: number): Promise<void> {
    const end = performance.now() + deadlineMs;
    while (performance.now() < end) {
      const oldest = this.successes.at(-count);
      if (oldest !== undefined && performance.now() - oldest <= withinMs) return;
      await Bun.sleep(INTERVAL_MS);
    }
    throw new Error(`${this.cluster.system.name}: not ${count} successes in ${withinMs} ms within ${deadlineMs} ms`);
  }

  private async attempt(): Promise<void> {
    const number = this.attempts++;
    const index = number % this.cluster.places.length;
    let client: LockClient | undefined;
    let late = false;
    const giveUp = setTimeout(() => {
      late = true;
      client?.close();
    }, ATTEMPT_MS);
    try {
      client = this.idle[index]?.pop() ?? (await this.cluster.system.connect(this.cluster.places[index] as Place));
      if (late || this.stopped) throw new Error("given up");
      await client.pair(`${this.name}-${number}`);
      this.successes.push(performance.now());
      if (this.stopped) client.close();
      else this.idle[index]?.push(client);
    } catch {
      client?.close();
    } finally {
      clearTimeout(giveUp);
    }
  }
}

/**
 * The longest time between two successes of which the later one came after `fromMs`; what is open at `untilMs` counts as if
 * a success had come then.
 *
 * @param successes ascending
 */
export function longestGapMs(successes: readonly number[], fromMs: number, untilMs: number): number {
  let longest = 0;
  let previous = fromMs;
  for (const at of successes) {
    if (at > untilMs) break;
    if (at > fromMs) longest = Math.max(longest, at - previous);
    previous = at;
  }
  return Math.max(longest, untilMs - previous);
}
