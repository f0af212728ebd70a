import { Counter, Gauge, type Metric, Registry } from "prom-client";
import type { GroupStatus, Histogram } from "./control-group.ts";
import { type GroupFigure, groupFigures } from "./group-figures.ts";
import { type Figure, figures, type MetricsSources } from "./metric-figures.ts";

interface Series {
  readonly labels: Readonly<Record<string, string>>;
  readonly durationsMs: Histogram;
}

/** The node's metrics; nothing is computed until they are asked for. */
export class Metrics {
  private readonly registry = new Registry();

  constructor(private readonly sources: MetricsSources) {
    for (const figure of groupFigures) this.registerGroupFigure(figure);
    for (const figure of figures) this.registerFigure(figure);
    this.registerHistogram("mufakat_log_fsync_seconds", "Duration of fdatasync of the log in seconds.", () => [
      { labels: {}, durationsMs: sources.statistics().fsyncMs },
    ]);
    this.registerHistogram("mufakat_engine_turn_seconds", "Length of a turn of the consensus loop in seconds.", () => [
      { labels: {}, durationsMs: sources.statistics().turnMs },
    ]);
    this.registerHistogram(
      "mufakat_engine_turn_wait_seconds",
      "From when a turn was due until it began in seconds: what else the thread did, HTTP above all.",
      () => [{ labels: {}, durationsMs: sources.statistics().turnWaitMs }],
    );
    const help = "Time from request to reply in seconds, waits for locks included.";
    this.registerHistogram("mufakat_http_request_seconds", help, () =>
      [...sources.http.routes]
        .map((route) => ({ labels: { method: route.method, route: route.pattern }, durationsMs: route.durationsMs() }))
        .filter(({ durationsMs }) => durationsMs.count > 0),
    );
    this.registerRequests();
    this.registerLongTurns();
    this.registerBuild();
  }

  get contentType(): string {
    return this.registry.contentType;
  }

  /** The text format of Prometheus. */
  text(): Promise<string> {
    return this.registry.metrics();
  }

  /** The plain figures, without histograms. Those of groups: of the control group, and of each where there are several. */
  json(): Record<string, unknown> {
    const { nodeId, role, leader, version, groups } = this.sources.group.status();
    const values = figures.map(([name, , , read]) => [jsonName(name), read(this.sources)]);
    const [control] = groups.map(jsonFigures);
    return {
      ...{ node_id: nodeId, role, leader: leader ?? null, version, ...control },
      ...Object.fromEntries(values),
      ...(groups.length > 1 && { groups: groups.map((group) => ({ group: group.group, ...jsonFigures(group) })) }),
    };
  }

  private registerGroupFigure([name, type, help, read]: GroupFigure): void {
    const { group } = this.sources;
    const hasLabel = group.status().groups.length > 1;
    const options = { name, help, registers: [this.registry], labelNames: hasLabel ? ["group"] : [] };
    const collected = (): [labels: Record<string, number>, value: number][] =>
      group.status().groups.map((each) => [hasLabel ? { group: each.group } : {}, read(each)]);
    if (type === "gauge") {
      new Gauge({
        ...options,
        collect() {
          for (const [labels, value] of collected()) this.set(labels, value);
        },
      });
    } else {
      new Counter({
        ...options,
        collect() {
          this.reset();
          for (const [labels, value] of collected()) this.inc(labels, value);
        },
      });
    }
  }

  private registerFigure([name, type, help, read]: Figure): void {
    const { sources } = this;
    const registers = [this.registry];
    if (type === "gauge") {
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read(sources));
        },
      });
    } else {
      new Counter({
        name,
        help,
        registers,
        collect() {
          this.reset();
          this.inc(read(sources));
        },
      });
    }
  }

  private registerRequests(): void {
    const { http } = this.sources;
    new Counter({
      name: "mufakat_http_requests_total",
      help: "HTTP requests answered, by route and status.",
      labelNames: ["method", "route", "status"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const route of http.routes) {
          for (const [status, count] of route.statuses()) {
            this.inc({ method: route.method, route: route.pattern, status }, count);
          }
        }
      },
    });
  }

  private registerLongTurns(): void {
    const { statistics } = this.sources;
    new Counter({
      name: "mufakat_engine_long_turns_total",
      help: "Turns of the consensus loop over 20 ms, by the phase that took longest.",
      labelNames: ["phase"],
      registers: [this.registry],
      collect() {
        this.reset();
        for (const [phase, count] of Object.entries(statistics().longTurns)) this.inc({ phase }, count);
      },
    });
  }

  private registerBuild(): void {
    const { group } = this.sources;
    new Gauge({
      name: "mufakat_build_info",
      help: "Always 1; its labels say which node and version this is.",
      labelNames: ["node", "version"],
      registers: [this.registry],
      collect() {
        const { nodeId, version } = group.status();
        this.set({ node: nodeId, version }, 1);
      },
    });
  }

  /** The library's own histogram counts by itself and cannot be given counts: only its reading side is used. */
  private registerHistogram(name: string, help: string, read: () => Series[]): void {
    const get = async () => ({
      name,
      help,
      type: "histogram",
      aggregator: "sum",
      values: read().flatMap((series) => samples(name, series)),
    });
    this.registry.registerMetric({ name, help, get, reset: () => undefined } as unknown as Metric<string>);
  }
}

function jsonName(name: string): string {
  return name.replace(/^mufakat_/, "");
}

function jsonFigures(group: GroupStatus): Record<string, number> {
  return Object.fromEntries(groupFigures.map(([name, , , read]) => [jsonName(name), read(group)]));
}

/** A histogram in ms as Prometheus' cumulative buckets in seconds. */
function samples(name: string, { labels, durationsMs }: Series) {
  const { bounds, buckets, count, sum } = durationsMs;
  let below = 0;
  const cumulative = bounds.map((bound, i) => {
    below += buckets[i] ?? 0;
    return { metricName: `${name}_bucket`, labels: { ...labels, le: bound / 1000 }, value: below };
  });
  return [
    ...cumulative,
    { metricName: `${name}_bucket`, labels: { ...labels, le: "+Inf" }, value: count },
    { metricName: `${name}_sum`, labels, value: sum / 1000 },
    { metricName: `${name}_count`, labels, value: count },
  ];
}
