import { afterEach, describe, expect, test } from "bun:test";
import { ClusterClient, Unreachable } from "../../../src/cli/cluster-client.ts";
import { freePorts } from "../../support/free-ports.ts";

/** Servers of the running test. */
const servers: Bun.Server<undefined>[] = [];

afterEach(async () => {
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

interface FakeNode {
  readonly url: string;
  /** Requests beside those for the cluster, in order. */
  readonly asked: string[];
  readonly stop: () => Promise<void>;
}

interface FakeOptions {
  readonly port?: number;
  readonly clusterId?: string;
  /** Ids of members with their client ports. */
  readonly members?: Readonly<Record<string, number>>;
  readonly answer?: () => Response;
}

function fake(nodeId: string, { port = 0, clusterId = "c1", members = {}, answer }: FakeOptions = {}): FakeNode {
  const asked: string[] = [];
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port,
    fetch(request) {
      const { pathname, search } = new URL(request.url);
      if (pathname === "/cluster") return Response.json(cluster(nodeId, clusterId, members));
      asked.push(`${request.method} ${pathname}${search} ${request.headers.get("idempotency-key") ?? ""}`.trim());
      return answer?.() ?? Response.json({ from: nodeId });
    },
  });
  servers.push(server);
  return { url: `http://127.0.0.1:${server.port}`, asked, stop: () => server.stop(true) };
}

function cluster(nodeId: string, clusterId: string, members: Readonly<Record<string, number>>) {
  return {
    cluster_name: "test",
    cluster_id: clusterId,
    node_id: nodeId,
    incarnation: "i1",
    version: "0.1.0",
    members: Object.entries(members).map(([id, port]) => ({
      node_id: id,
      replica: 1,
      role: "voter",
      address: null,
      peer_address: `127.0.0.1:${port + 1000}`,
      connected: true,
      is_leader: false,
      disk: "ok",
      match_index: null,
    })),
    groups: [],
    lease_time_ms: 0,
    as_of_index: 1,
  };
}

const call = (client: ClusterClient, patienceMs = 0, idempotencyKey = "k") =>
  client.call({
    method: "PUT",
    target: () => "/x",
    attemptMs: 1_000,
    untilMs: performance.now() + patienceMs,
    idempotencyKey,
  });

describe("a cluster's client", () => {
  test("stays with the node that answers", async () => {
    const [one, two] = [fake("node1"), fake("node2")];
    const client = new ClusterClient([one.url, two.url]);
    for (let i = 0; i < 3; i++) expect((await call(client)).body).toEqual({ from: "node1" });
    expect(two.asked).toEqual([]);
  });

  test("goes on with the next node, under the same key, when one dies or has no leader", async () => {
    const one = fake("node1");
    const two = fake("node2", { answer: () => Response.json({}, { status: 503 }) });
    const three = fake("node3");
    const client = new ClusterClient([one.url, two.url, three.url]);
    await call(client);
    await one.stop();
    expect((await call(client)).body).toEqual({ from: "node3" });
    expect([two.asked, three.asked]).toEqual([["PUT /x k"], ["PUT /x k"]]);
    await call(client);
    expect(two.asked).toHaveLength(1);
  });

  test("finds other members at their default addresses", async () => {
    const [first = 0, second = 0] = freePorts(2);
    const members = { node1: first, node2: second };
    const one = fake("node1", { port: first, members });
    fake("node2", { port: second, members });
    const client = new ClusterClient([one.url]);
    await call(client);
    await one.stop();
    expect((await call(client)).body).toEqual({ from: "node2" });
  });

  test("gives nothing to another cluster's node that has a member's default address", async () => {
    const [first = 0, second = 0] = freePorts(2);
    const one = fake("node1", { port: first, members: { node1: first, node2: second } });
    const stranger = fake("node2", { port: second, clusterId: "c2" });
    const client = new ClusterClient([one.url]);
    await call(client);
    await one.stop();
    await expect(call(client)).rejects.toThrow(Unreachable);
    expect(stranger.asked).toEqual([]);
  });

  test("takes a refusal for an answer, and goes on until the end of its patience for the rest", async () => {
    let failures = 3;
    const one = fake("node1", {
      answer: () => (failures-- > 0 ? Response.json({}, { status: 504 }) : Response.json({}, { status: 423 })),
    });
    expect((await call(new ClusterClient([one.url]), 5_000)).status).toBe(423);
    expect(new Set(one.asked)).toEqual(new Set(["PUT /x k"]));
    failures = 100;
    await expect(call(new ClusterClient([one.url]))).rejects.toThrow("answered 504");
  });

  test("says what a node answered rather than that another did not", async () => {
    const body = { detail: "x", error: { code: "no_leader", message: "No leader." } };
    const one = fake("node1", { answer: () => Response.json(body, { status: 503 }) });
    const gone = fake("node2");
    await gone.stop();
    for (const urls of [
      [one.url, gone.url],
      [gone.url, one.url],
    ]) {
      const failure = call(new ClusterClient(urls));
      await expect(failure).rejects.toThrow(`${one.url} answered 503: No leader.`);
      await expect(failure).rejects.toMatchObject({ lastCode: "no_leader" });
    }
  });

  test("says when the request that was answered was sent", async () => {
    const one = fake("node1");
    const gone = fake("node2");
    await gone.stop();
    const beforeMs = performance.now();
    const { sentAtMs } = await call(new ClusterClient([gone.url, one.url]));
    expect(sentAtMs).toBeWithin(beforeMs, performance.now());
  });
});
