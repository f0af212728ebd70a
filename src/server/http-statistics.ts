import type { Histogram } from "./control-group.ts";

/** Upper bounds in ms: from what a local read takes to the longest wait. */
const BOUNDS_MS = [0.5, 1, 2.5, 5, 10, 25, 50, 100, 250, 500, 1000, 2500, 5000, 10_000, 30_000, 60_000] as const;

/** Requests of one route. Plain numbers: a counter of prom-client with labels costs twenty times as much. */
export class RouteStatistics {
  private readonly byStatus = new Float64Array(600);
  private readonly buckets = new Float64Array(BOUNDS_MS.length + 1);
  private sumMs = 0;

  constructor(
    readonly method: string,
    /** As it was registered, without `/v1`. */
    readonly pattern: string,
  ) {}

  observe(status: number, durationMs: number): void {
    this.byStatus[status] = (this.byStatus[status] ?? 0) + 1;
    let bucket = 0;
    while (bucket < BOUNDS_MS.length && durationMs > (BOUNDS_MS[bucket] ?? 0)) bucket++;
    this.buckets[bucket] = (this.buckets[bucket] ?? 0) + 1;
    this.sumMs += durationMs;
  }

  /** [status, requests answered with it], without those that never occurred. */
  statuses(): [number, number][] {
    return [...this.byStatus.entries()].filter(([, count]) => count > 0);
  }

  durationsMs(): Histogram {
    const buckets = [...this.buckets];
    return { bounds: BOUNDS_MS, buckets, count: buckets.reduce((sum, n) => sum + n, 0), sum: this.sumMs };
  }
}

/** Requests of all routes, counted by the doors and read by the metrics. */
export class HttpStatistics {
  private readonly byRoute = new Map<string, RouteStatistics>();
  /** Requests that arrived and are not answered yet. */
  inFlight = 0;

  /** The counters of a route, made when first asked for. */
  route(method: string, pattern: string): RouteStatistics {
    const key = `${method} ${pattern}`;
    const found = this.byRoute.get(key);
    if (found !== undefined) return found;
    const made = new RouteStatistics(method, pattern);
    this.byRoute.set(key, made);
    return made;
  }

  get routes(): Iterable<RouteStatistics> {
    return this.byRoute.values();
  }
}
