import type { Hono } from "hono";
import { BackupQuery } from "../src/api/cluster.ts";
import type { ApplicationOptions } from "../src/server/application.ts";
import { type EndpointTools, type HttpEnv, validated } from "./endpoint.ts";

/** A snapshot is made first, and a client may be slow: but one that takes nothing for so long is cut off. */
const SILENCE_SECONDS = 240;

export function backupRoutes(api: Hono<HttpEnv>, tools: EndpointTools, backups: ApplicationOptions["backups"]): void {
  const pattern = "/cluster/backup";
  // Hono answers HEAD through GET, and would let go of a backup that nobody takes and nobody ends.
  api.get(pattern, ...validated(tools, BackupQuery, "GET", pattern, { withoutHead: true }), async (c) => {
    c.env?.timeout?.(c.req.raw, SILENCE_SECONDS);
    const headers = { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" };
    return c.body(await backups.open(c.req.raw.signal), 200, headers);
  });
}
