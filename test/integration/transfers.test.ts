import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { faultsOf } from "../support/lock-history.ts";
import { LockLoad } from "../support/lock-load.ts";
import { call, success } from "../support/node-client.ts";
import { ProcessCluster, sourceProgram } from "../support/process-cluster.ts";

const SENTINEL = { owner: "sentinel", ttl: 3_600 };
/** Printed, not asserted: the machine may be busy. */
const report = (line: string): void => console.log(`    ${line}`);

interface Transferred {
  readonly status: string;
  readonly leader: string;
  readonly term: number;
}

function transfer(cluster: ProcessCluster, through: string, to?: string) {
  const query = to === undefined ? "" : `?to=${to}`;
  return call<Transferred>("POST", `${cluster.url(through)}/cluster/transfer${query}`);
}

function load(cluster: ProcessCluster, clients: number): LockLoad {
  return new LockLoad({ urls: cluster.ids.map((id) => cluster.url(id)), clients, locks: ["x", "y", "z"], seed: 1 });
}

test("a rolling restart of all nodes with SIGTERM under load fails no request", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const sentinel = success(await cluster.client("node1").acquire("sentinel", SENTINEL));
  const running = load(cluster, 8);
  const progress = (what: string) => {
    const before = running.holds.length;
    return eventually(() => running.holds.length > before + 40, {
      deadlineMs: 30_000,
      what: () => `progress ${what}; ${running.surprises.join("\n")}\n${cluster.outputs()}`,
    });
  };
  for (let round = 1; round <= 2; round++) {
    for (const id of cluster.ids) {
      await progress(`before the stop of ${id}`);
      expect(await cluster.stop(id)).toBe(0);
      await progress(`without ${id}`);
      cluster.startNode(id);
      await cluster.ready(id);
    }
  }
  await progress("in the end");
  await running.stop();
  report(
    `${running.holds.length} holds, ${running.turnedAway} requests turned away to another node, ` +
      `longest without an answer ${running.longestMs.toFixed(0)} ms`,
  );

  expect(running.surprises).toEqual([]);
  expect(running.unknown).toEqual([]);
  expect(running.refusals).toBe(0);
  expect(faultsOf(running.holds)).toEqual([]);
  const held = { status: "held", owners: ["sentinel"], fencing_token: sentinel.fencing_token };
  for (const id of cluster.ids) {
    expect(success(await cluster.client(id).locks()).locks).toEqual({ sentinel: expect.objectContaining(held) });
  }
}, 120_000);

test("a leader that is asked to stop hands over before it goes, so that nobody waits for an election time-out", async () => {
  // Far beyond what a hand-over takes: an election by time-out would show.
  const electionMs = 3_000;
  await using cluster = await ProcessCluster.start({
    size: 3,
    flags: ["--election-timeout-ms", String(electionMs)],
  });
  const gaps: number[] = [];
  for (let round = 0; round < 5; round++) {
    const leader = await cluster.leader();
    const [other = ""] = cluster.others(leader);
    const { term = 0 } = (await cluster.root(other, 5_000)) ?? {};
    let lastMs = performance.now();
    let longestMs = 0;
    let stopped = false;
    const stop = cluster.stop(leader).then((code) => {
      stopped = true;
      return code;
    });
    while (!stopped) {
      success(await cluster.client(other).acquire("probe", { owner: "a", ttl: 60 }));
      longestMs = Math.max(longestMs, performance.now() - lastMs);
      lastMs = performance.now();
    }
    expect(await stop).toBe(0);
    gaps.push(longestMs);
    expect(cluster.node(leader).output).toContain("handing leadership over to ");
    // One election, the target's own: nobody's timer ran out.
    expect(await cluster.root(other, 5_000)).toMatchObject({ leader: expect.any(String), term: term + 1 });
    cluster.startNode(leader);
    await cluster.ready(leader);
  }
  report(`longest gap between two grants at the stop of a leader: ${gaps.map((ms) => ms.toFixed(1)).join(", ")} ms`);
  for (const gap of gaps) expect(gap).toBeLessThan(electionMs);
}, 120_000);

describe("a transfer by request", () => {
  test("goes through any node, to the node that is named or to another one, and takes no lock away", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const grant = success(await cluster.client("node1").acquire("x", SENTINEL));
    const first = await cluster.leader();
    const [second = "", third = ""] = cluster.others(first);
    expect(success(await transfer(cluster, third, second))).toMatchObject({ status: "transferred", leader: second });
    expect(await cluster.leader()).toBe(second);
    expect(success(await transfer(cluster, second, second))).toMatchObject({ status: "unchanged", leader: second });
    expect(success(await transfer(cluster, second)).leader).not.toBe(second);
    expect(success(await cluster.client(first).inspect("x")).fencing_token).toBe(grant.fencing_token);
    expect((await transfer(cluster, first, "node9")).body.error).toMatchObject({ code: "bad_request" });
  }, 60_000);

  test("to a node that is down is refused, and the leader goes on", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const leader = await cluster.leader();
    const [down = "", other = ""] = cluster.others(leader);
    await cluster.kill(down);
    const refused = await eventually(
      async () => {
        const reply = await transfer(cluster, other, down);
        return reply.status === 409 ? reply : undefined;
      },
      { what: "a refusal" },
    );
    expect(refused.body.error).toMatchObject({ code: "transfer_refused", details: { reason: "unreachable" } });
    expect(await cluster.leader([leader, other])).toBe(leader);
    success(await cluster.client(other).acquire("x"));
  }, 60_000);

  test("to a node that is paused ends without it: the leader goes on after an election time-out", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const leader = await cluster.leader();
    const [paused = "", other = ""] = cluster.others(leader);
    cluster.signal(paused, "SIGSTOP");
    success(await cluster.client(other).acquire("x", { owner: "a" }));
    const reply = await transfer(cluster, other, paused);
    expect(reply).toMatchObject({ status: 504, body: { error: { code: "outcome_unknown" } } });
    success(await cluster.client(other).acquire("x", { owner: "a" }));
    expect(await cluster.leader([leader, other])).toBe(leader);
  }, 60_000);

  test("can be given on the command line", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const leader = await cluster.leader();
    const [next = "", through = ""] = cluster.others(leader);
    const command = [...sourceProgram, "cluster", "transfer", next, "--url", cluster.url(through)];
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
    expect(await new Response(child.stdout).text()).toMatch(new RegExp(`^${next} leads now, in term \\d+\n$`));
    expect(await child.exited).toBe(0);
    expect(await cluster.leader()).toBe(next);
  }, 60_000);
});
