import { expect, test } from "bun:test";
import { GroupError } from "../../../src/server/control-group.ts";
import { HttpStatistics } from "../../../src/server/http-statistics.ts";
import { Metrics } from "../../../src/server/metrics.ts";
import { appOver } from "../../support/app.ts";
import { emptyStatistics, groupStatus, ScriptedControlGroup } from "../../support/scripted-control-group.ts";

/** Samples of the text format, by name and labels; throws for what is none. */
function parse(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  const declared = new Set<string>();
  for (const line of text.split("\n")) {
    if (line === "") continue;
    const comment = /^# (HELP|TYPE) ([a-z_]+) (.+)$/.exec(line);
    if (comment !== null) {
      declared.add(`${comment[1]} ${comment[2]}`);
      continue;
    }
    const sample = /^([a-z_]+)(\{(?:[a-z]+="[^"\\]*",?)*\})? (\S+)$/.exec(line);
    if (sample === null) throw new Error(`not a sample: ${line}`);
    const [, name = "", labels = "", value = ""] = sample;
    const family = declared.has(`TYPE ${name}`) ? name : name.replace(/_(bucket|sum|count)$/, "");
    expect(declared).toContain(`HELP ${family}`);
    expect(declared).toContain(`TYPE ${family}`);
    expect(Number.isFinite(Number(value))).toBe(true);
    expect(samples.has(name + labels)).toBe(false);
    samples.set(name + labels, Number(value));
  }
  return samples;
}

test("the text is what Prometheus reads, with help, type and current values", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  await app.request("/lock/x", { method: "POST" });
  await app.request("/v1/lock/y", { method: "POST" });
  await app.request("/lock/x?ttl=0", { method: "POST" });
  await app.request("/lock/x", { method: "PUT" });
  await app.request("/nothing");
  const response = await app.request("/metrics");
  expect(response.headers.get("content-type")).toStartWith("text/plain; version=0.0.4");
  const samples = parse(await response.text());
  expect(samples.get("mufakat_raft_term")).toBe(3);
  expect(samples.get("mufakat_raft_commit_index")).toBe(44);
  expect(samples.get("mufakat_raft_is_leader")).toBe(0);
  expect(samples.get("mufakat_raft_elections_total")).toBe(2);
  expect(samples.get("mufakat_semaphores")).toBe(6);
  expect(samples.get("mufakat_locks_held")).toBe(2);
  expect(samples.get("mufakat_lock_waiters")).toBe(3);
  expect(samples.get("mufakat_lock_observers")).toBe(9);
  expect(samples.get("mufakat_sessions")).toBe(4);
  expect(samples.get("process_resident_memory_bytes")).toBeGreaterThan(1e6);
  expect(samples.get('mufakat_http_requests_total{method="POST",route="/lock/:name",status="200"}')).toBe(2);
  expect(samples.get('mufakat_http_requests_total{method="POST",route="/lock/:name",status="400"}')).toBe(1);
  expect(samples.get('mufakat_http_requests_total{method="*",route="/lock/:name",status="405"}')).toBe(1);
  expect(samples.get('mufakat_http_requests_total{method="*",route="(none)",status="404"}')).toBe(1);
  expect(samples.get('mufakat_http_request_seconds_count{method="POST",route="/lock/:name"}')).toBe(3);
  // This request itself.
  expect(samples.get("mufakat_http_requests_in_flight")).toBe(1);
});

test("queues are counted over all shards, and are none where there are no shards", async () => {
  const group = new ScriptedControlGroup();
  const sources = { group, statistics: () => emptyStatistics, http: new HttpStatistics() };
  const counts = { queues: 3, messages: 40, bytes: 500, inFlight: 6, receivers: 7 };
  const shown = parse(await new Metrics({ ...sources, queues: () => counts }).text());
  const names = [
    "mufakat_queues",
    "mufakat_queue_messages",
    "mufakat_queue_bytes",
    "mufakat_queue_in_flight",
    "mufakat_queue_receivers",
  ];
  expect(names.map((name) => shown.get(name))).toEqual([3, 40, 500, 6, 7]);
  const none = parse(await new Metrics(sources).text());
  expect(names.map((name) => none.get(name))).toEqual([0, 0, 0, 0, 0]);
});

test("a node that is being repaired says so, and is not ready", async () => {
  const group = new ScriptedControlGroup();
  const { app } = appOver(group);
  const cluster = async () => ((await (await app.request("/cluster")).json()) as { groups: object[] }).groups[0];
  expect(await cluster()).not.toHaveProperty("repair");
  expect(parse(await (await app.request("/metrics")).text()).get("mufakat_repairing")).toBe(0);
  const repair = { untilIndex: undefined, untilTerm: 6 };
  group.nodeStatus = { ...group.nodeStatus, repair, ready: false };
  expect(await cluster()).toMatchObject({ repair: { until_index: null, until_term: 6 } });
  const ready = await app.request("/readyz");
  expect(ready.status).toBe(503);
  expect(await ready.json()).toMatchObject({
    error: {
      code: "not_ready",
      details: { reasons: ["the node gets back from the others what its damaged log lost"] },
    },
  });
  const samples = parse(await (await app.request("/metrics")).text());
  expect(samples.get("mufakat_repairing")).toBe(1);
  expect(samples.get("mufakat_repairs_total")).toBe(1);
  expect(samples.get("mufakat_repair_refilled_entries_total")).toBe(51);
});

test("a client that went away is counted as such, and not as a time-out of the node", async () => {
  const group = new ScriptedControlGroup();
  const { app } = appOver(group);
  const abort = new AbortController();
  group.change = async () => {
    abort.abort();
    throw new GroupError("aborted");
  };
  await app.request("/lock/x?wait=60&after=0", { signal: abort.signal });
  group.change = async () => {
    throw new GroupError("outcome_unknown");
  };
  await app.request("/lock/x?wait=60&after=0");
  const samples = parse(await (await app.request("/metrics")).text());
  expect(samples.get('mufakat_http_requests_total{method="GET",route="/lock/:name",status="499"}')).toBe(1);
  expect(samples.get('mufakat_http_requests_total{method="GET",route="/lock/:name",status="504"}')).toBe(1);
});

test("histograms are cumulative and in seconds", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  const samples = parse(await (await app.request("/metrics")).text());
  expect(samples.get('mufakat_log_fsync_seconds_bucket{le="0.001"}')).toBe(5);
  expect(samples.get('mufakat_log_fsync_seconds_bucket{le="0.01"}')).toBe(8);
  expect(samples.get('mufakat_log_fsync_seconds_bucket{le="+Inf"}')).toBe(9);
  expect(samples.get("mufakat_log_fsync_seconds_sum")).toBe(0.06);
  expect(samples.get("mufakat_log_fsync_seconds_count")).toBe(9);
});

test("asking twice does not count twice", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  await app.request("/metrics");
  const samples = parse(await (await app.request("/metrics")).text());
  expect(samples.get("mufakat_raft_elections_total")).toBe(2);
});

test("JSON is for those who ask for it", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  const json = { node_id: "node1", role: "follower", leader: "node2", raft_term: 3, locks_held: 2, sessions: 4 };
  for (const request of [
    ["/metrics?format=json", {}],
    ["/metrics", { accept: "application/json" }],
  ] as const) {
    const response = await app.request(request[0], { headers: request[1] });
    expect(await response.json()).toMatchObject(json);
    expect(response.headers.get("cache-control")).toBe("no-store");
  }
  const browser = { accept: "text/html,application/json;q=0.9,*/*;q=0.8" };
  expect((await app.request("/metrics", { headers: browser })).headers.get("content-type")).toStartWith("text/plain");
  expect(
    (await app.request("/metrics?format=prometheus", { headers: { accept: "application/json" } })).headers.get(
      "content-type",
    ),
  ).toStartWith("text/plain");
});

test("a node of several groups has a series for each of what each has, and one of all else", async () => {
  const group = new ScriptedControlGroup();
  group.shards = [{ ...groupStatus(1), term: 8, role: "leader" }];
  const { app } = appOver(group);
  const samples = parse(await (await app.request("/metrics")).text());
  expect(samples.get('mufakat_raft_term{group="0"}')).toBe(3);
  expect(samples.get('mufakat_raft_term{group="1"}')).toBe(8);
  expect(samples.get('mufakat_raft_is_leader{group="1"}')).toBe(1);
  expect(samples.get('mufakat_state_checks_total{group="1"}')).toBe(4);
  expect(samples.get("mufakat_raft_term")).toBe(undefined);
  expect(samples.get("mufakat_raft_elections_total")).toBe(2);
  const json = await (await app.request("/metrics?format=json")).json();
  expect(json).toMatchObject({
    raft_term: 3,
    groups: [
      { group: 0, raft_term: 3 },
      { group: 1, raft_term: 8 },
    ],
  });
});
