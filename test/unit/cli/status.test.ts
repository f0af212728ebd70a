import { afterEach, describe, expect, test } from "bun:test";
import { cli } from "../../support/cli-context.ts";

/** Servers of the running test. */
const servers: Bun.Server<undefined>[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function serve(port: number, answer: (path: string) => Response): string {
  const server = Bun.serve({ hostname: "127.0.0.1", port, fetch: (request) => answer(new URL(request.url).pathname) });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

function cluster(nodeId: string, leader: string | null, ports: Readonly<Record<string, number>>) {
  return {
    cluster_name: "mufakat",
    cluster_id: "c1",
    node_id: nodeId,
    incarnation: "i1",
    version: "0.1.0",
    members: Object.entries(ports).map(([id, port]) => ({
      node_id: id,
      replica: 1,
      role: "voter",
      address: null,
      peer_address: `127.0.0.1:${port + 1000}`,
      connected: true,
      is_leader: id === leader,
      disk: "ok",
      match_index: null,
    })),
    groups: [
      {
        group: 0,
        role: nodeId === leader ? "leader" : "follower",
        leader,
        term: 7,
        commit_index: 42,
        applied_index: 41,
        snapshot_index: 40,
        compacted_index: 30,
      },
    ],
    lease_time_ms: 0,
    as_of_index: 41,
  };
}

/** A port below 64536 that nobody uses at the moment. */
function freePort(): number {
  const probe = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data() {} } });
  const { port } = probe;
  probe.stop(true);
  return port < 64_000 ? port : port - 2_000;
}

describe("status", () => {
  test("asks every member and shows the one that does not answer", async () => {
    const ports = { node1: freePort(), node2: freePort(), node3: freePort() };
    const url = serve(ports.node1, () => Response.json(cluster("node1", "node2", ports)));
    serve(ports.node2, () => Response.json(cluster("node2", "node2", ports)));
    const { code, stdout } = await cli(["status", "--url", url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/node1 .* follower .* 7 .* 42 .* 41 /);
    expect(stdout).toMatch(/node2 .* leader /);
    expect(stdout).toMatch(/node3 .* unreachable /);
    expect(stdout).toContain("cluster mufakat: 2 of 3 nodes answer, leader node2\n");
    expect(stdout).not.toContain("\x1b[");
  });

  test("shows whose disk is full", async () => {
    const ports = { node1: freePort() };
    const status = cluster("node1", "node1", ports);
    const members = status.members.map((member) => ({ ...member, disk: "exhausted" }));
    const url = serve(ports.node1, () => Response.json({ ...status, members }));
    const { stdout } = await cli(["status", "--url", url]);
    expect(stdout).toMatch(/node .* disk .* version/);
    expect(stdout).toMatch(/node1 .* leader .* exhausted /);
  });

  test("gives the same as JSON", async () => {
    const ports = { node1: freePort() };
    const url = serve(ports.node1, () => Response.json(cluster("node1", "node1", ports)));
    const { code, stdout } = await cli(["status", "--json"], { environment: { MUFAKAT_URL: url } });
    expect(code).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      leader: "node1",
      nodes: [{ node_id: "node1", reachable: true, role: "leader", term: 7 }],
    });
  });

  test("exits 1 without a leader", async () => {
    const ports = { node1: freePort() };
    const url = serve(ports.node1, () => Response.json(cluster("node1", null, ports)));
    const { code, stdout } = await cli(["status", "--url", url]);
    expect(code).toBe(1);
    expect(stdout).toContain("no leader");
  });

  test("says which nodes are being repaired", async () => {
    const ports = { node1: freePort() };
    const view = cluster("node1", "node1", ports);
    const repair = { until_index: null, until_term: 6 };
    const groups = view.groups.map((group) => ({ ...group, repair }));
    const url = serve(ports.node1, () => Response.json({ ...view, groups }));
    const { code, stdout } = await cli(["status", "--url", url]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/node1 .* repairing .* 7 .* 42 .* 41 /);
    expect(stdout).toContain("node1 is being repaired: it gets back from the others what its damaged log lost\n");
  });

  test("says which nodes found a damaged snapshot", async () => {
    const ports = { node1: freePort() };
    const view = cluster("node1", "node1", ports);
    const groups = view.groups.map((group) => ({ ...group, damaged_snapshots: 1 }));
    const url = serve(ports.node1, () => Response.json({ ...view, groups }));
    const { stdout } = await cli(["status", "--url", url]);
    expect(stdout).toContain(
      "node1 found a damaged snapshot on its disk, and makes new ones: its log names the file\n",
    );
    const json = JSON.parse((await cli(["status", "--url", url, "--json"])).stdout);
    expect(json.nodes[0].damaged_snapshots).toBe(1);
  });

  test("has a line for each group where there are several, as whoever knows it best says", async () => {
    const ports = { node1: freePort(), node2: freePort() };
    const stopped = { reason: "poisoned", index: 9, message: "entry 9 of group 1 has ended this version" };
    const view = (id: string, leader: string | null, term: number, why = {}) => {
      const known = cluster(id, "node1", ports);
      return Response.json({
        ...known,
        groups: [...known.groups, { ...known.groups[0], group: 1, leader, term, ...why }],
      });
    };
    const url = serve(ports.node1, () => view("node1", null, 0));
    serve(ports.node2, () => view("node2", "node2", 3, { stopped }));
    const { code, stdout } = await cli(["status", "--url", url]);
    expect(code).toBe(0);
    expect(stdout).toEndWith(
      "leader node1\ngroup 1: leader node2, term 3, commit 42\nnode2 has stopped: entry 9 of group 1 has ended this version\n",
    );
    const json = JSON.parse((await cli(["status", "--url", url, "--json"])).stdout);
    expect(json.shards).toMatchObject([{ group: 1, leader: "node2", term: 3, stopped: [{ node_id: "node2" }] }]);
  });

  test.each([null, "node2"])("says of nodes that have stopped why, and exits 1 with leader %p", async (leader) => {
    const ports = { node1: freePort(), node2: freePort() };
    const message = "entry 60 of group 0 has ended this version of the program 3 times";
    const halted = (id: string) => {
      const view = cluster(id, leader, ports);
      const stopped = { reason: "poisoned", index: 60, message };
      return Response.json({ ...view, groups: view.groups.map((group) => ({ ...group, stopped })) });
    };
    const url = serve(ports.node1, () => halted("node1"));
    serve(ports.node2, () => halted("node2"));
    const { code, stdout } = await cli(["status", "--url", url]);
    expect(code).toBe(1);
    expect(stdout).toMatch(/node1 .* stopped .* 7 .* 42 .* 41 /);
    expect(stdout).toContain(leader === null ? "no leader: nodes have stopped\n" : "leader node2\n");
    for (const id of ["node1", "node2"]) expect(stdout).toContain(`${id} has stopped: ${message}\n`);
    const json = JSON.parse((await cli(["status", "--url", url, "--json"])).stdout);
    expect(json.nodes[1].stopped).toBe(message);
  });

  test("exits 69 when nobody answers, or somebody else", async () => {
    const url = serve(0, () => new Response("hello"));
    expect(await cli(["status", "--url", url])).toMatchObject({ code: 69, stdout: "" });
    const gone = await cli(["status", "--url", `http://127.0.0.1:${freePort()}`]);
    expect(gone.code).toBe(69);
    expect(gone.stderr).toMatch(/^mufakat: http:\/\/127\.0\.0\.1:\d+ does not answer[^\n]*\n$/);
  });

  test("does not take another cluster's node for its own", async () => {
    const ports = { node1: freePort(), node2: freePort() };
    const url = serve(ports.node1, () => Response.json(cluster("node1", "node1", ports)));
    serve(ports.node2, () => Response.json({ ...cluster("node2", "node2", ports), cluster_id: "c2" }));
    expect((await cli(["status", "--url", url])).stdout).toMatch(/node2 .* unreachable /);
  });

  test.each(["ftp://x", "127.0.0.1:8001", "http://"])("refuses the address %s", async (url) => {
    const { code, stderr } = await cli(["status", "--url", url]);
    expect(code).toBe(78);
    expect(stderr).toStartWith("mufakat: --url must be the address of a node");
  });
});

describe("healthcheck", () => {
  test("exits 0 for a node that is alive and 1 for one that is not", async () => {
    const alive = serve(0, (path) =>
      path === "/healthz" ? Response.json({ status: "ok" }) : new Response(null, { status: 404 }),
    );
    const ill = serve(0, () => new Response(null, { status: 500 }));
    expect(await cli(["healthcheck", "--url", alive])).toMatchObject({ code: 0, stdout: `${alive} is alive\n` });
    expect(await cli(["healthcheck", "--url", ill])).toMatchObject({ code: 1 });
    const gone = await cli(["healthcheck", "--url", `http://127.0.0.1:${freePort()}`]);
    expect(gone.code).toBe(1);
    expect(gone.stdout.trim().split("\n")).toHaveLength(1);
  });

  test("finds the node of its own container by the variables of that node", async () => {
    const alive = serve(0, () => Response.json({ status: "ok" }));
    const { port } = new URL(alive);
    expect((await cli(["healthcheck"], { environment: { MUFAKAT_LISTEN: `0.0.0.0:${port}` } })).code).toBe(0);
    expect((await cli(["healthcheck"], { environment: { PORT: port } })).code).toBe(0);
  });
});
