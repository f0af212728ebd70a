import type { Hono } from "hono";
import { ApiError } from "../src/api/errors.ts";
import { BackupQuery } from "../src/api/cluster.ts";
import type { ApplicationOptions } from "../src/server/application.ts";
import { type EndpointTools, type HttpEnv, validated } from "./endpoint.ts";

/** A snapshot is made first, and a client may be slow: but one that takes nothing for so long is cut off. */
const SILENCE_SECONDS = 240;

export function backupRoutes(api: Hono<HttpEnv>, tools: EndpointTools, backups: ApplicationOptions["backups"]): void {
  const pattern = "/cluster/backup";
  api.get(pattern, ...validated(tools, BackupQuery, "GET", pattern), async (c) => {
    // Hono answers HEAD through GET, and would let go of a backup that nobody takes and nobody ends.
    if (c.req.raw.method === "HEAD") throw new ApiError("method_not_allowed", { details: { allow: "GET" } });
    c.env?.timeout?.(c.req.raw, SILENCE_SECONDS);
    const headers = { "Content-Type": "application/octet-stream", "Cache-Control": "no-store" };
    return c.body(await backups.open(c.req.raw.signal), 200, headers);
  });
}
