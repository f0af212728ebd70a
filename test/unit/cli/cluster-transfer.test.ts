import { afterEach, describe, expect, test } from "bun:test";
import { cli } from "../../support/cli-context.ts";

/** Servers of the running test. */
const servers: Bun.Server<undefined>[] = [];
/** `METHOD path?query` of each request. */
const asked: string[] = [];

afterEach(async () => {
  asked.length = 0;
  await Promise.all(servers.splice(0).map((server) => server.stop(true)));
});

function node(answer: () => Response): string {
  const server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: ({ method, url }) => {
      const { pathname, search } = new URL(url);
      asked.push(`${method} ${pathname}${search}`);
      return answer();
    },
  });
  servers.push(server);
  return `http://127.0.0.1:${server.port}`;
}

describe("cluster transfer", () => {
  test("asks for the node that is named, or for any, and says who leads", async () => {
    const url = node(() => Response.json({ status: "transferred", leader: "node 2", term: 8 }));
    const named = await cli(["cluster", "transfer", "node 2", "--url", url]);
    expect(named).toEqual({ code: 0, stdout: "node 2 leads now, in term 8\n", stderr: "" });
    const any = await cli(["cluster", "transfer", "--json"], { environment: { MUFAKAT_URL: url } });
    expect(JSON.parse(any.stdout)).toEqual({ status: "transferred", leader: "node 2", term: 8 });
    expect(asked).toEqual(["POST /cluster/transfer?to=node%202", "POST /cluster/transfer"]);
  });

  test("says when nothing had to change", async () => {
    const url = node(() => Response.json({ status: "unchanged", leader: "node2", term: 8 }));
    expect(await cli(["cluster", "transfer", "node2", "--url", url])).toMatchObject({
      code: 0,
      stdout: "node2 leads already\n",
    });
  });

  test("exits 1 with the node's own sentence when it is refused", async () => {
    const detail = "The leader has no connection to the node that is to lead.";
    const url = node(() =>
      Response.json({ detail, error: { code: "transfer_refused", message: detail } }, { status: 409 }),
    );
    const refused = await cli(["cluster", "transfer", "node2", "--url", url]);
    expect(refused).toEqual({ code: 1, stdout: "", stderr: `mufakat: ${detail}\n` });
    const asJson = await cli(["cluster", "transfer", "--json", "--url", url]);
    expect({ ...asJson, stderr: JSON.parse(asJson.stderr) as unknown }).toEqual({
      code: 1,
      stdout: "",
      stderr: { error: { code: "transfer_refused", message: detail } },
    });
  });

  test("exits 69 when something else answers, or nobody does", async () => {
    const url = node(() => new Response("hello"));
    const other = await cli(["cluster", "transfer", "--url", url]);
    expect([other.code, other.stderr]).toEqual([
      69,
      `mufakat: ${url} answered 200, but not as a node of this version does.\n`,
    ]);
    await Promise.all(servers.splice(0).map((server) => server.stop(true)));
    const nobody = await cli(["cluster", "transfer", "--url", url]);
    expect([nobody.code, nobody.stdout]).toEqual([69, ""]);
    expect(nobody.stderr).toStartWith(`mufakat: ${url} does not answer: `);
  });

  test("takes one node", async () => {
    expect((await cli(["cluster", "transfer", "node1", "node2"])).code).toBe(64);
  });
});
