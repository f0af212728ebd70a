import type { ProcessCluster } from "../support/process-cluster.ts";
import { call } from "../support/node-client.ts";
import type { CountersRecord, History } from "./history.ts";

const INTERVAL_MS = 700;
const PATIENCE_MS = 1_000;
/** Of the many that a node has, those that say what a run went through. */
const told = /^(configuration|repairs?|snapshots)_.*total$/;
/** Differs from process to process of a node. */
const STARTED = "process_start_time_seconds";

/** Sums up what nodes count, over all their processes: what one counted just before it was killed may be missing. */
export class Counters {
  private readonly totals: Record<string, number> = {};
  /** As the node said last. */
  private readonly last = new Map<string, Readonly<Record<string, number>>>();
  private readonly running: Promise<unknown>;
  private stopping = false;

  constructor(
    private readonly cluster: Pick<ProcessCluster, "ids" | "url">,
    private readonly history: History,
  ) {
    this.running = Promise.all(cluster.ids.map((id) => this.watch(id)));
  }

  async end(): Promise<void> {
    this.stopping = true;
    await this.running;
    this.history.add<CountersRecord>({ type: "counters", totals: this.totals });
  }

  private async watch(id: string): Promise<void> {
    for (;;) {
      const isLast = this.stopping;
      const url = `${this.cluster.url(id)}/metrics?format=json`;
      const reply = await call<Record<string, unknown>>("GET", url, { timeoutMs: PATIENCE_MS }).catch(() => undefined);
      if (reply?.status === 200) this.take(id, reply.body);
      if (isLast) return;
      await Bun.sleep(INTERVAL_MS);
    }
  }

  private take(id: string, metrics: Readonly<Record<string, unknown>>): void {
    const known = this.last.get(id) ?? {};
    // A new process begins at nothing, and may have counted as much already: a repair, say, is done before it can be asked.
    const before = known[STARTED] === metrics[STARTED] ? known : {};
    const now: Record<string, number> = {};
    for (const [name, value] of Object.entries(metrics)) {
      if (typeof value !== "number") continue;
      if (name === STARTED) now[name] = value;
      if (!told.test(name)) continue;
      now[name] = value;
      this.totals[name] = (this.totals[name] ?? 0) + value - (before[name] ?? 0);
    }
    this.last.set(id, now);
  }
}
