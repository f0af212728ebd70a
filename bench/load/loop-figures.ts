import { readFileSync } from "node:fs";
import type { ProcessCluster } from "../../test/support/process-cluster.ts";

/** Samples of the text format of `/metrics`, by name with labels. */
export async function metricsOf(url: string): Promise<Map<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const samples = text.matchAll(/^([a-z_]+(?:\{[^}]*\})?) (\S+)$/gm);
  return new Map([...samples].map(([, name = "", value]) => [name, Number(value)]));
}

/** Seconds for which a process' main thread was ready to run and had no processor, from /proc. */
function starvedSeconds(pid: number | undefined): string {
  try {
    return (Number(readFileSync(`/proc/${pid}/schedstat`, "utf8").split(" ")[1]) / 1e9).toFixed(1);
  } catch {
    return "?";
  }
}

/** How long turns of the loop took since the start of each node (PROTOCOLS D10). */
export async function showLoopFigures(cluster: ProcessCluster): Promise<void> {
  for (const id of cluster.ids) {
    const metrics = await metricsOf(cluster.url(id));
    const long = longTurns(metrics).map(([phase, count]) => `${phase} ${count}`);
    const ms = (name: string): string => (1000 * (metrics.get(name) ?? 0)).toFixed(1);
    console.log(
      `${id}: ${metrics.get("mufakat_engine_turns_total")} turns, ${spread(metrics, "mufakat_engine_turn_seconds")}, ` +
        `longest ${ms("mufakat_engine_longest_turn_seconds")} ms, over 20 ms: ${long.join(", ") || "none"}`,
    );
    console.log(
      `  waits for a turn ${spread(metrics, "mufakat_engine_turn_wait_seconds")}, ` +
        `longest ${ms("mufakat_engine_longest_turn_wait_seconds")} ms; fdatasync ${spread(metrics, "mufakat_log_fsync_seconds")}; ` +
        `states agreed ${metrics.get("mufakat_state_checks_total")} times; ` +
        `without a processor for ${starvedSeconds(cluster.node(id).process?.pid)} s`,
    );
  }
}

/** Quantiles of a histogram, by the bounds of its buckets. */
function spread(metrics: ReadonlyMap<string, number>, name: string): string {
  const total = metrics.get(`${name}_count`) ?? 0;
  const buckets = [...metrics].flatMap(([sample, count]) => {
    const bound = sample.startsWith(`${name}_bucket`) ? /le="([^"]+)"/.exec(sample)?.[1] : undefined;
    return bound === undefined ? [] : [{ boundMs: bound === "+Inf" ? Infinity : Number(bound) * 1000, count }];
  });
  const below = (share: number): string =>
    String(buckets.find(({ count }) => count >= share * total)?.boundMs ?? Number.NaN);
  return `p50 ≤ ${below(0.5)}, p99 ≤ ${below(0.99)}, p99.9 ≤ ${below(0.999)} ms`;
}

/** Turns over 20 ms since the start of a node, by the phase that took longest. */
export function longTurns(metrics: ReadonlyMap<string, number>): [phase: string, count: number][] {
  return [...metrics].flatMap(([name, count]) => {
    const phase = /^mufakat_engine_long_turns_total\{phase="(\w+)"/.exec(name)?.[1];
    return phase === undefined || count === 0 ? [] : [[phase, count]];
  });
}
