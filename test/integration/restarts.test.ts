import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { type NodeClient, type Reply, success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const LONG = { ttl: 3_600 } as const;
const PATIENT = { timeout: 60 } as const;

/** Waits until the lock has so many waiters. */
function queued(client: NodeClient, lock: string, waiters: number): Promise<true> {
  return eventually(async () => (await client.inspect(lock)).body.waiters.length === waiters || undefined, {
    what: `${waiters} waiters for ${lock}`,
  }) as Promise<true>;
}

/** A request whose end is not looked at: its node will be killed. */
function forget(request: Promise<Reply<unknown>>): void {
  request.catch(() => {});
}

/** Kills every node with -9, starts all again and waits until they serve. */
async function restart(cluster: ProcessCluster): Promise<void> {
  await Promise.all(cluster.ids.map((id) => cluster.kill(id)));
  for (const id of cluster.ids) cluster.startNode(id);
  await cluster.leader();
  await Promise.all(cluster.ids.map((id) => cluster.ready(id)));
}

describe("a whole cluster that is killed with -9 and started again", () => {
  test("has every lock, session, waiter in its place, token and fence", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const [one, two, three] = cluster.ids.map((id) => cluster.client(id)) as [NodeClient, NodeClient, NodeClient];
    const a = success(await one.acquire("x", { owner: "a", ...LONG }));
    const b = success(await two.acquire("shared", { owner: "b", lock_type: "shared", ...LONG }));
    success(await three.acquire("shared", { owner: "c", lock_type: "shared", ...LONG }));
    const { session: first } = success(await one.openSession(3_600));
    const { session: second } = success(await two.openSession(3_600));
    const held = success(await one.acquire("y", { session: first }));
    success(await three.fence("store", a.fencing_token + 41));
    forget(two.acquire("x", { session: second, ...PATIENT }));
    await queued(one, "x", 1);
    forget(three.acquire("x", { owner: "gone", ...LONG, ...PATIENT }));
    await queued(one, "x", 2);
    forget(one.acquire("x", { session: first, ...PATIENT }));
    await queued(one, "x", 3);

    await restart(cluster);

    const holder = (await two.inspect("y")).body.owners[0]!;
    const table = success(await two.locks()).locks;
    // Whoever waits without a session goes with the process through which it asked.
    const waiters = [expect.any(Array), [holder, "exclusive"]];
    const ages = { holders: expect.any(Array), queue: expect.any(Array) };
    const revision = expect.any(Number);
    expect(table).toEqual({
      x: {
        status: "held",
        type: "exclusive",
        owners: ["a"],
        waiters,
        fencing_token: a.fencing_token,
        revision,
        ...ages,
      },
      shared: {
        status: "held",
        type: "shared",
        owners: ["b", "c"],
        waiters: [],
        fencing_token: b.fencing_token,
        revision,
        ...ages,
      },
      y: {
        status: "held",
        type: "exclusive",
        owners: [holder],
        waiters: [],
        fencing_token: held.fencing_token,
        revision,
        ...ages,
      },
    });
    expect((await one.fence("store", a.fencing_token + 40)).status).toBe(409);

    const late = one.acquire("x", { owner: "late", ...PATIENT });
    await queued(three, "x", 3);
    const inPlace = two.acquire("x", { session: second, ...PATIENT });
    const released = success(await three.release("x", { owner: "a", fencing_token: a.fencing_token }));
    expect(released.granted_to).toEqual([table["x"]!.waiters[0]![0]]);
    const granted = success(await inPlace);
    expect(granted.fencing_token).toBeGreaterThan(a.fencing_token);
    success(await one.keepalive(first));
    expect(success(await one.closeSession(second)).released).toEqual(["x"]);
    expect((await one.inspect("x")).body.owners).toEqual([holder]);
    expect(success(await two.closeSession(first)).released.toSorted()).toEqual(["x", "y"]);
    expect(success(await late).fencing_token).toBeGreaterThan(granted.fencing_token + 1);
  }, 90_000);

  test("lets a lease that ran when it died run on to its end, not further", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const askedAtMs = performance.now();
    const a = success(await cluster.client("node1").acquire("short", { owner: "a", ttl: 3 }));
    await restart(cluster);
    const b = success(await cluster.client("node2").acquire("short", { owner: "b", timeout: 30 }));
    expect(performance.now() - askedAtMs).toBeGreaterThanOrEqual(3_000);
    expect(b.fencing_token).toBeGreaterThan(a.fencing_token);
  }, 60_000);

  test("tells a client that asks again under its key what the request came to before", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const options = { headers: { "Idempotency-Key": "once" } };
    const before = success(await cluster.client("node1").acquire("keyed", LONG, options));
    await restart(cluster);
    const after = success(await cluster.client("node3").acquire("keyed", LONG, options));
    expect(after).toMatchObject({ fencing_token: before.fencing_token, session: before.session });
  }, 60_000);
});

describe("a cluster that is stopped with SIGTERM", () => {
  test("ends with exit code 0, leaves nobody waiting, and has everything when it comes back", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    const [one, two] = [cluster.client("node1"), cluster.client("node2")];
    const a = success(await one.acquire("x", { owner: "a", ...LONG }));
    const waiting = two.acquire("x", { owner: "b", ...PATIENT });
    const answered = waiting.then((reply) => reply.status).catch(() => "cut off");
    await queued(one, "x", 1);
    const codes = await Promise.all(cluster.ids.map((id) => cluster.stop(id)));
    expect(codes).toEqual([0, 0, 0]);
    expect(["cut off", 409, 503, 504]).toContain(await answered);
    for (const node of cluster.nodes) expect(node.output).toContain('"stopped"');

    for (const id of cluster.ids) cluster.startNode(id);
    await cluster.leader();
    await cluster.ready("node2");
    const shown = success(await two.inspect("x"));
    expect(shown).toMatchObject({ owners: ["a"], waiters: [], fencing_token: a.fencing_token });
    success(await two.release("x", { owner: "a", fencing_token: a.fencing_token }));
    expect(success(await one.acquire("x")).fencing_token).toBeGreaterThan(a.fencing_token);
  }, 60_000);

  test("one node at a time never stops answering through the others", async () => {
    await using cluster = await ProcessCluster.start({ size: 3 });
    let last = 0;
    for (const id of cluster.ids) {
      const [other = ""] = cluster.others(id);
      const stopped = cluster.stop(id);
      const grant = success(await cluster.client(other).acquire("rolling", { owner: "a" }));
      success(await cluster.client(other).release("rolling", { owner: "a", fencing_token: grant.fencing_token }));
      expect(grant.fencing_token).toBeGreaterThan(last);
      last = grant.fencing_token;
      expect(await stopped).toBe(0);
      cluster.startNode(id);
      await cluster.ready(id);
      await cluster.leader();
    }
  }, 60_000);
});
