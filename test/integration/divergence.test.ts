/** A node whose state is not that of a majority finds out by itself, stops serving and says so (PROTOCOLS R8). */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster, sourceProgram } from "../support/process-cluster.ts";

const [bun = "", main = ""] = sourceProgram;
/** The real program, on a state machine that loses the effect of one entry. */
const forgetful = [bun, "--preload", join(import.meta.dir, "../support/forgetful-machine.ts"), main];
/** After so many entries replicas compare. */
const EVERY = 1_000;

async function groupOf(cluster: ProcessCluster, id: string) {
  type Group = {
    applied_index: number;
    leader: string | null;
    stopped?: { reason: string; index: number; message: string };
  };
  const { body } = await cluster.client(id).call<{ groups: [Group] }>("GET", "/cluster?consistency=local");
  return body.groups[0];
}

/** Locks and unlocks until so many entries more are applied. */
async function work(cluster: ProcessCluster, id: string, entries: number): Promise<void> {
  const client = cluster.client(id);
  const from = (await groupOf(cluster, id)).applied_index;
  const worker = async (owner: string): Promise<void> => {
    while ((await groupOf(cluster, id)).applied_index < from + entries) {
      for (let i = 0; i < 20; i++) {
        success(await client.acquire(`work-${owner}`, { owner }));
        success(await client.release(`work-${owner}`, { owner }));
      }
    }
  };
  await Promise.all(["a", "b", "c", "d"].map(worker));
}

test("a node that lost the effect of one entry stops at the next comparison, while the others go on; started anew it is right", async () => {
  await using cluster = await ProcessCluster.start({ size: 3, program: sourceProgram, startOnly: ["node1", "node2"] });
  cluster.program = forgetful;
  cluster.startNode("node3");
  await cluster.ready("node3");
  success(await cluster.client("node1").acquire("lost", { owner: "a", ttl: 3_600 }));
  // Nobody can tell yet: node3 serves, and what it says of this lock is wrong.
  expect((await cluster.client("node3").inspect("lost")).body.owners).toEqual([]);

  await work(cluster, "node1", EVERY);
  const stopped = await eventually(async () => (await groupOf(cluster, "node3")).stopped, {
    what: () => `node3 stops\n${cluster.outputs()}`,
  });
  expect(stopped).toMatchObject({ reason: "diverged", index: EVERY });
  expect(stopped.message).toMatch(
    /^as of entry 1000 of group 0 the state of this node \([0-9a-f]{14}\) is not that of a majority \([0-9a-f]{14}\): /,
  );
  expect(cluster.node("node3").output).toContain(stopped.message);
  const refused = await cluster.client("node3").inspect("lost");
  expect(refused).toMatchObject({ status: 503, body: { error: { code: "group_stopped", details: { index: EVERY } } } });

  // The others serve; and with one of them gone the stopped node's vote and log are the majority's.
  await work(cluster, "node2", 50);
  await cluster.kill("node1");
  expect(await cluster.leader(["node2"], 20_000)).toBe("node2");
  success(await cluster.client("node2").acquire("kept", { owner: "b", ttl: 3_600 }, { timeoutMs: 30_000 }));
  expect((await cluster.client("node2").inspect("lost")).body.owners).toEqual(["a"]);

  cluster.program = sourceProgram;
  cluster.startNode("node1");
  await cluster.kill("node3");
  cluster.startNode("node3");
  await cluster.ready("node3");
  expect((await cluster.client("node3").inspect("lost")).body.owners).toEqual(["a"]);
  await work(cluster, "node3", EVERY);
  await eventually(
    async () => {
      const metrics = await (await fetch(`${cluster.url("node3")}/metrics`)).text();
      return Number(/^mufakat_state_agreed_index(?:\{group="0"\})? (\d+)$/m.exec(metrics)?.[1]) >= 2 * EVERY;
    },
    { what: "node3 agrees with a majority" },
  );
  expect((await groupOf(cluster, "node3")).stopped).toBeUndefined();
}, 120_000);
