import { afterEach, describe, expect, test } from "bun:test";
import { cli } from "../../support/cli-context.ts";

const servers: Bun.Server<undefined>[] = [];
const asked: string[] = [];

afterEach(async () => {
  asked.length = 0;
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function node(body: object, status = 200): string {
  const fetch = ({ method, url }: Request): Response => {
    const { pathname, search } = new URL(url);
    asked.push(`${method} ${pathname}${search}`);
    return Response.json(body, { status });
  };
  const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

const ADDED = { status: "added", node_id: "node4", replica: 4, next_replica: 5, members: [] };

describe("cluster add, remove and replace", () => {
  test("ask one node, and say what to do next", async () => {
    const url = node(ADDED);
    const added = await cli(["cluster", "add", "node4", "10.0.0.4:9001", "--url", url]);
    expect(added).toMatchObject({ code: 0, stdout: expect.stringContaining(`start it with --join ${url}`) });
    await cli(["cluster", "replace", "node4", "--url", url]);
    await cli(["cluster", "replace", "node4", "--at", "10.0.0.9:9001", "--url", url]);
    const asJson = await cli(["cluster", "add", "node4", "10.0.0.4:9001", "--json", "--url", url]);
    expect(JSON.parse(asJson.stdout)).toEqual(ADDED);
    expect(asked.slice(0, 3)).toEqual([
      "POST /cluster/nodes?node_id=node4&peer_address=10.0.0.4%3A9001",
      "POST /cluster/nodes?node_id=node4&replace=true",
      "POST /cluster/nodes?node_id=node4&replace=true&peer_address=10.0.0.9%3A9001",
    ]);
  });

  test("remove a node", async () => {
    const url = node({ status: "removed", node_id: "node4", replica: 4 });
    const removed = await cli(["cluster", "remove", "node4", "--url", url]);
    expect([removed.code, removed.stdout, asked]).toEqual([
      0,
      "node4 is no member any more\n",
      ["DELETE /cluster/nodes/node4"],
    ]);
  });

  test("exit 1 with the node's own sentence when it refuses, and 69 when nobody answers", async () => {
    const message = "A cluster cannot do without its last node.";
    const url = node({ detail: message, error: { code: "last_voter", message } }, 409);
    expect(await cli(["cluster", "remove", "node1", "--url", url])).toEqual({
      ...{ code: 1, stdout: "", stderr: `mufakat: ${message}\n` },
    });
    expect(await cli(["cluster", "remove", "node1", "--url", "http://127.0.0.1:1"])).toMatchObject({ code: 69 });
  });
});
