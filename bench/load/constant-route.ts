import { Hono } from "hono";

/** The yardstick: a Hono route that does nothing. Prints its port. */
const app = new Hono().post("/constant", (c) => c.json({ status: "ok" }));
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
console.log(server.port);
