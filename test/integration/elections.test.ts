/** The older system's unit tests all passed, and it never elected a leader on a real machine. So: real machines first. */
import { describe, expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const COLD_STARTS = 10;

describe("a cold start", () => {
  for (const size of [3, 5]) {
    test(`of ${size} nodes elects one leader that all of them follow, every time`, async () => {
      for (let start = 1; start <= COLD_STARTS; start++) {
        await using cluster = await ProcessCluster.start({ size });
        const leader = await cluster.leader();
        const roots = await Promise.all(cluster.ids.map((id) => cluster.root(id)));
        expect(roots.filter((root) => root?.role === "leader").map((root) => root?.node_id)).toEqual([leader]);
        expect(new Set(roots.map((root) => root?.term)).size).toBe(1);
        // A leader that can do nothing is none.
        const grant = success(await cluster.client(cluster.others(leader)[0]!).acquire(`start-${start}`));
        expect(grant).toMatchObject({ status: "acquired", fencing_token: 1 });
      }
    }, 120_000);
  }

  test("of one node alone makes it the leader", async () => {
    await using cluster = await ProcessCluster.start({ size: 1 });
    expect(await cluster.leader()).toBe("node1");
    expect((await cluster.client("node1").acquire("alone")).status).toBe(200);
  });

  test("of a majority is enough, and who comes late follows without an election", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, startOnly: ["node1", "node2"] });
    const before = await cluster.root(await cluster.leader());
    success(await cluster.client("node1").acquire("early", { owner: "a" }));
    cluster.startNode("node3");
    await cluster.ready("node3");
    expect(await cluster.root("node3")).toMatchObject({ role: "follower", term: before!.term, leader: before!.leader });
    expect((await cluster.client("node3").inspect("early")).body).toMatchObject({ status: "held", owners: ["a"] });
  });

  test("of a minority elects nobody", async () => {
    await using cluster = await ProcessCluster.start({ size: 3, startOnly: ["node1"] });
    await eventually(async () => (await cluster.root("node1"))?.role === "candidate", { what: "a candidate" });
    const refused = await cluster.client("node1").acquire("lonely", { timeout: 0 });
    expect(refused).toMatchObject({ status: 503, body: { error: { code: "no_leader" } } });
    // Pre-votes change no term: whoever waits alone does not come back with a term that disturbs the others.
    expect(await cluster.root("node1")).toMatchObject({ term: 0, leader: null });
  });
});
