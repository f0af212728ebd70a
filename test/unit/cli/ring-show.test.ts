import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { shardOf } from "../../../src/ring/shard-of.ts";
import { cli } from "../../support/cli-context.ts";

const common = { term: 3, commit_index: 4, applied_index: 4, snapshot_index: 0, compacted_index: 0 };
const shard = (group: number, preferred: string) => ({
  ...{ group, role: "follower", leader: "node2", ...common, voters: ["node1", "node2"], learners: ["node3"] },
  ...{ preferred_leader: preferred, ring_order: ["node1", "node2", "node3"] },
});

let server: Bun.Server<undefined>;
let url = "";
let shards: object[] = [];

beforeAll(() => {
  const control = { group: 0, role: "leader", leader: "node1", ...common };
  const about = { cluster_name: "m", cluster_id: "c", node_id: "node1", incarnation: "i", version: "0", members: [] };
  server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: () => Response.json({ ...about, groups: [control, ...shards], lease_time_ms: 0, as_of_index: 1 }),
  });
  url = `http://127.0.0.1:${server.port}`;
});
afterAll(() => server.stop(true));

describe("ring show", () => {
  test("says of each shard who leads it, who should, and why", async () => {
    shards = [shard(1, "node1"), shard(2, "node2")];
    const { stdout, code } = await cli(["ring", "show", "--url", url]);
    expect(code).toBe(0);
    expect(stdout).toContain("node1 is first in the ring");
    expect(stdout).toContain("node2 is first in the ring after node1, with a full share of others");
    expect(stdout).toContain("node1 node2 node3 (learner)");
  });

  test("says where a queue is", async () => {
    shards = [shard(1, "node1"), shard(2, "node2")];
    const { stdout } = await cli(["ring", "show", "orders", "--url", url]);
    expect(stdout).toStartWith(`orders is in shard ${1 + shardOf("orders", 2)} of 2, by the hash of its name\n`);
    const asJson = JSON.parse((await cli(["ring", "show", "orders", "--json", "--url", url])).stdout) as object;
    expect(asJson).toMatchObject({ queue: "orders", shards: [{ shard: 1 + shardOf("orders", 2), leader: "node2" }] });
  });

  test("says so where there are no shards", async () => {
    shards = [];
    const { stderr, code } = await cli(["ring", "show", "--url", url]);
    expect(code).toBe(1);
    expect(stderr).toContain("the cluster has no shards");
  });

  test("refuses what is no name of a queue, and asks nobody", async () => {
    const { stderr, code } = await cli(["ring", "show", "", "--url", "http://127.0.0.1:1"]);
    expect([code, stderr]).toEqual([64, expect.stringContaining("the name of a queue ")]);
  });
});
