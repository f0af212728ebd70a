import { expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { faultsOf } from "../support/lock-history.ts";
import { LockLoad } from "../support/lock-load.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const KILLS = 10;
const SENTINEL = { owner: "sentinel", ttl: 3_600 };

test("ten leaders killed with -9 under load lose no lock, no token and no order", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const sentinel = success(await cluster.client("node1").acquire("sentinel", SENTINEL));
  const held = { status: "held", owners: ["sentinel"], fencing_token: sentinel.fencing_token };
  const load = new LockLoad({
    urls: cluster.ids.map((id) => cluster.url(id)),
    clients: 8,
    locks: ["x", "y", "z"],
    seed: 1,
  });
  const progress = (what: string) => {
    const before = load.holds.length;
    return eventually(() => load.holds.length > before + 40, {
      deadlineMs: 30_000,
      what: () => `progress ${what}; ${load.surprises.join("\n")}\n${cluster.outputs()}`,
    });
  };

  let term = 0;
  for (let kill = 1; kill <= KILLS; kill++) {
    await progress(`before kill ${kill}`);
    const leader = await cluster.leader();
    await cluster.kill(leader);
    const [survivor = "", other = ""] = cluster.others(leader);
    expect((await cluster.client(survivor).inspect("sentinel")).body).toMatchObject(held);
    await progress(`after kill ${kill}`);
    const next = await cluster.leader([survivor, other]);
    expect(next).not.toBe(leader);
    const root = await cluster.root(next, 5_000);
    expect(root?.term).toBeGreaterThan(term);
    term = root?.term ?? 0;
    cluster.startNode(leader);
    await cluster.ready(leader);
    expect((await cluster.client(leader).inspect("sentinel")).body).toMatchObject(held);
  }
  await load.stop();

  expect(load.surprises).toEqual([]);
  expect(faultsOf(load.holds)).toEqual([]);
  const tables = await Promise.all(cluster.ids.map(async (id) => success(await cluster.client(id).locks()).locks));
  for (const table of tables) expect(table).toEqual({ sentinel: expect.objectContaining(held) });

  const owner = "sentinel";
  const tokens = { fencing_token: sentinel.fencing_token };
  expect((await cluster.client("node2").release("sentinel", { owner, fencing_token: 999 })).status).toBe(409);
  success(await cluster.client("node2").release("sentinel", { owner, ...tokens }));
  const again = success(await cluster.client("node3").acquire("sentinel", SENTINEL));
  expect(again.fencing_token).toBeGreaterThan(sentinel.fencing_token);
  const stale = await cluster.client("node1").release("sentinel", { owner, ...tokens });
  expect(stale).toMatchObject({ status: 409, body: { error: { code: "stale_token" } } });
  expect((await cluster.client("node1").inspect("sentinel")).body).toMatchObject({ status: "held" });
}, 180_000);
