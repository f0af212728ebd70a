/**
 * A cluster of the built executable in containers on a network of its own: other kernels' worth of isolation than
 * processes on loopback, names instead of addresses, and `--insecure` where it is needed.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  GenericContainer,
  getContainerRuntimeClient,
  Network,
  type StartedNetwork,
  type StartedTestContainer,
  Wait,
} from "testcontainers";
import { buildNodeImage, disableRyukWhereAbsent, hasDocker, removeImage } from "../support/docker.ts";
import { eventually } from "../support/eventually.ts";

const available = hasDocker();
if (!available) {
  console.warn(
    'SKIPPED test/integration/containers.test.ts: "a cluster in containers" needs a Docker daemon, and none answers.',
  );
}

const IDS = ["node1", "node2", "node3"] as const;
const IMAGE = `mufakat-test/node:${process.pid}`;

interface RootStatus {
  readonly leader: string | null;
  readonly role: string;
}

interface Grant {
  readonly status: string;
  readonly fencing_token: number;
}

describe.skipIf(!available)("a cluster in containers", () => {
  const containers = new Map<string, StartedTestContainer>();
  let network: StartedNetwork | undefined;

  beforeAll(async () => {
    disableRyukWhereAbsent();
    buildNodeImage(IMAGE);
    network = await new Network().start();
    const started = await Promise.all(IDS.map((id) => startNode(id, network!)));
    for (const [index, container] of started.entries()) containers.set(IDS[index] ?? "", container);
  }, 180_000);

  afterAll(async () => {
    await Promise.all([...containers.values()].map((container) => container.stop({ timeout: 0 })));
    await network?.stop();
    if (available) removeImage(IMAGE);
  }, 60_000);

  function url(id: string): string {
    const container = containers.get(id);
    return `http://${container?.getHost()}:${container?.getMappedPort(8001)}`;
  }

  async function request<Body>(method: string, id: string, path: string): Promise<{ status: number; body: Body }> {
    const response = await fetch(`${url(id)}${path}`, { method, signal: AbortSignal.timeout(10_000) });
    return { status: response.status, body: (await response.json()) as Body };
  }

  /** The leader that each of the nodes names. */
  function leaderOf(ids: readonly string[]): Promise<string> {
    return eventually(
      async () => {
        const answers = await Promise.all(ids.map((id) => request<RootStatus>("GET", id, "/")));
        const [first] = answers.map(({ body }) => body.leader);
        const agreed = answers.every(({ body }) => body.leader === first);
        return agreed && first !== null && first !== undefined && ids.includes(first) ? first : undefined;
      },
      { deadlineMs: 30_000, what: `a leader among ${ids.join(", ")}` },
    );
  }

  test("keeps a lock when the container of its leader is killed", async () => {
    const leader = await leaderOf(IDS);
    const others = IDS.filter((id) => id !== leader);
    const [first = "", second = ""] = others;

    const grant = await request<Grant>("POST", first, "/lock/orders?lock_type=exclusive&owner=a&ttl=60");
    expect(grant).toMatchObject({ status: 200, body: { status: "acquired" } });

    const client = await getContainerRuntimeClient();
    await client.container.getById(containers.get(leader)!.getId()).kill({ signal: "SIGKILL" });
    expect(await leaderOf(others)).not.toBe(leader);

    const held = await request<{ status: string; owners: string[] }>("GET", second, "/lock/orders");
    expect(held).toMatchObject({ status: 200, body: { status: "held", owners: ["a"] } });
    const rival = await request("POST", second, "/lock/orders?lock_type=exclusive&owner=b&timeout=0");
    expect(rival.status).toBe(423);
    const released = await request("DELETE", second, `/lock/orders?owner=a&fencing_token=${grant.body.fencing_token}`);
    expect(released).toMatchObject({ status: 200, body: { status: "released" } });

    const next = await request<Grant>("POST", first, "/lock/orders?lock_type=exclusive&owner=b&ttl=60");
    expect(next.status).toBe(200);
    expect(next.body.fencing_token).toBeGreaterThan(grant.body.fencing_token);
  }, 120_000);
});

function startNode(id: string, network: StartedNetwork): Promise<StartedTestContainer> {
  const peers = IDS.map((peer) => `${peer}=${peer}:9001`).join(",");
  return new GenericContainer(IMAGE)
    .withCommand(["serve", "--id", id, "--listen", "0.0.0.0:8001", "--peers", peers, "--data", "data", "--insecure"])
    .withNetwork(network)
    .withNetworkAliases(id)
    .withExposedPorts(8001)
    .withWaitStrategy(Wait.forLogMessage(/listening/))
    .withStartupTimeout(30_000)
    .start();
}
