import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import { type ClockSkew, NO_SKEW } from "../support/skewed-clock.ts";

/** PROTOCOLS T2: clocks that run within this of real time are what leases are promised for (docs/locks.md). */
export const MAX_DRIFT = 0.01;
/** Longer than any pause: a process that was paused sees a change when it goes on. */
const SEEN_MS = 10_000;

/** The clocks of each node, which can be set and made to drift while it runs. */
export class Clocks {
  private readonly skews = new Map<string, ClockSkew>();

  /** @param directory for a file a node */
  constructor(private readonly directory: string) {
    mkdirSync(directory, { recursive: true });
  }

  /** Loaded before the program of each node … */
  static readonly preload = join(import.meta.dir, "../support/skewed-clocks.ts");

  /** … which then goes by this. */
  environment(id: string): Record<string, string> {
    return { SKEWED_CLOCKS: this.file(id) };
  }

  /** Until the node's process, if it has one, goes by it. @param change beyond what its clocks have been through */
  async change(cluster: ProcessCluster, id: string, change: Partial<Omit<ClockSkew, "change">>): Promise<void> {
    const before = this.skews.get(id) ?? NO_SKEW;
    const skew: ClockSkew = {
      change: before.change + 1,
      wallMs: before.wallMs + (change.wallMs ?? 0),
      monotonicMs: before.monotonicMs + (change.monotonicMs ?? 0),
      drift: change.drift ?? before.drift,
    };
    this.skews.set(id, skew);
    const file = this.file(id);
    writeFileSync(`${file}.new`, JSON.stringify(skew));
    renameSync(`${file}.new`, file);
    await eventually(() => this.isSeen(cluster, id, skew.change), { deadlineMs: SEEN_MS, what: "a look at the clock" })
      // One that has ended, or is just starting, goes by it from its start on.
      .catch(() => undefined);
  }

  private isSeen(cluster: ProcessCluster, id: string, change: number): boolean {
    const pid = cluster.node(id).process?.pid;
    const seen = `${this.file(id)}.${pid}.seen`;
    return existsSync(seen) && Number(readFileSync(seen, "utf8")) >= change;
  }

  private file(id: string): string {
    return join(this.directory, `${id}.clocks`);
  }
}
