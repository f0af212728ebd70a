/** An entry that a version of the program cannot apply stops service and names itself, and stops no process for good (R7). */
import { afterEach, describe, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster, sourceProgram } from "../support/process-cluster.ts";

const [bun = "", main = ""] = sourceProgram;
/** The real program, on a state machine that cannot apply one entry. */
const poisoned = [bun, "--preload", join(import.meta.dir, "../support/poisoned-machine.ts"), main];

afterEach(() => {
  delete process.env["POISON_ENDS_BY"];
});

function suspectsOf(cluster: ProcessCluster, id: string): string {
  return join(cluster.node(id).dataDirectory, "suspects.json");
}

/** Starts the node again each time it dies, as a supervisor would. @returns how often it died */
async function deathsUntilStopped(cluster: ProcessCluster, id: string): Promise<number> {
  const isStopped = async (): Promise<boolean> =>
    (await cluster.client(id).call("GET", "/readyz", { timeoutMs: 1_000 })).body?.error?.code === "group_stopped";
  let deaths = 0;
  await eventually(
    async () => {
      if (!cluster.runningIds.includes(id)) {
        deaths++;
        cluster.startNode(id);
      }
      return isStopped();
    },
    { deadlineMs: 60_000, what: () => `${id} stays up\n${cluster.outputs()}` },
  );
  return deaths;
}

describe.each(["throw", "kill"])("an entry that ends every process that applies it, by a %s", (endsBy) => {
  test("stops each node at its third death, which then stays up and says so; without poison all is served again", async () => {
    process.env["POISON_ENDS_BY"] = endsBy;
    await using cluster = await ProcessCluster.start({ size: 3, program: poisoned });
    const kept = success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
    const lost = cluster.client("node2").acquire("poison", { owner: "b", ttl: 3_600 });
    await lost.catch(() => undefined);

    const deaths = await Promise.all(cluster.ids.map((id) => deathsUntilStopped(cluster, id)));
    // A throw the third time is caught; a kill is known when the next process starts.
    expect(deaths).toEqual(endsBy === "throw" ? [2, 2, 2] : [3, 3, 3]);

    const stops = await Promise.all(cluster.ids.map((id) => stopOf(cluster, id)));
    expect(new Set(stops.map(({ index }) => index)).size).toBe(1);
    for (const [i, { reason, message, index }] of stops.entries()) {
      expect(reason).toBe("poisoned");
      expect(message).toContain(`entry ${index} of group 0 has ended this version of the program 3 times`);
      expect(message.includes("this lock is poison")).toBe(endsBy === "throw");
      expect(message).toContain(suspectsOf(cluster, `node${i + 1}`));
    }
    const client = cluster.client("node3");
    expect((await client.call("GET", "/healthz")).status).toBe(200);
    const refused = await client.acquire("other", { owner: "c" });
    expect(refused).toMatchObject({ status: 503, body: { error: { code: "group_stopped" } } });
    expect((await client.call("GET", "/lock/kept?consistency=local")).status).toBe(503);
    const status = Bun.spawnSync([bun, main, "status", "--url", cluster.url("node1")], { env: {} });
    expect(status.stdout.toString()).toContain(`node1 has stopped: entry ${stops[0]?.index} of group 0`);

    // It lasts: killed and started again, the node does not try again.
    await cluster.kill("node1");
    expect(await deathsUntilStopped(cluster, "node1")).toBe(1);

    // The same version, without the fault, tries again when it is told to; another version does so by itself.
    await Promise.all(cluster.ids.map((id) => cluster.stop(id)));
    cluster.program = sourceProgram;
    rmSync(suspectsOf(cluster, "node1"));
    for (const id of ["node2", "node3"]) {
      const path = suspectsOf(cluster, id);
      writeFileSync(path, readFileSync(path, "utf8").replace(/"program": "[^"]+"/, '"program": "0.0.1"'));
    }
    for (const id of cluster.ids) cluster.startNode(id);
    for (const id of cluster.ids) await cluster.ready(id);
    expect((await cluster.client("node3").inspect("kept")).body).toMatchObject({ fencing_token: kept.fencing_token });
    for (const id of cluster.ids) {
      const [group] = (await cluster.client(id).cluster()).body.groups;
      expect(group?.stopped).toBeUndefined();
      expect(group?.applied_index).toBeGreaterThan(stops[0]?.index ?? Number.NaN);
    }
  }, 120_000);
});

test("a node that is killed with -9 again and again while it is idle serves again every time", async () => {
  await using cluster = await ProcessCluster.start({ size: 1 });
  success(await cluster.client("node1").acquire("kept", { owner: "a", ttl: 3_600 }));
  for (let kill = 0; kill < 5; kill++) {
    await cluster.kill("node1");
    cluster.startNode("node1");
    await cluster.ready("node1");
    // Nothing is being applied, and nothing is suspected.
    expect(() => readFileSync(suspectsOf(cluster, "node1"))).toThrow("ENOENT");
  }
  expect((await cluster.client("node1").inspect("kept")).body.owners).toEqual(["a"]);
}, 30_000);

interface Stop {
  readonly reason: string;
  readonly index: number;
  readonly message: string;
}

async function stopOf(cluster: ProcessCluster, id: string): Promise<Stop> {
  const { body } = await cluster.client(id).call<{ groups: { stopped: Stop }[] }>("GET", "/cluster?consistency=local");
  const stop = body.groups[0]?.stopped;
  if (stop === undefined) throw new Error(`${id} has not stopped`);
  return stop;
}
