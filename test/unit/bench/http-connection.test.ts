import { expect, test } from "bun:test";
import { HttpConnection } from "../../../bench/load/http-connection.ts";

test("the connection of the load tool carries bodies of many socket buffers, both ways", async () => {
  using server = Bun.serve({
    hostname: "127.0.0.1",
    port: 0,
    fetch: async (request) => new Response(await request.text()),
  });
  const connection = await HttpConnection.open("127.0.0.1", server.port ?? 0);
  for (const bytes of [0, 100, 8_000_000, 10]) {
    const body = "x".repeat(bytes);
    const reply = await connection.request("POST", "/", body);
    expect(reply.status).toBe(200);
    expect(reply.body === body).toBe(true);
  }
  connection.close();
});
