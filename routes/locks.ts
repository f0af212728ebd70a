import type { Hono } from "hono";
import { acquireLock, inspectLock, listLocks, releaseLock } from "../src/api/locks.ts";
import { acquireLocks } from "../src/api/multi-locks.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function lockRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  serve(api, tools, "POST", "/lock/:name", acquireLock, { segment: "lock_name", waitMs: (input) => input.timeout });
  serve(api, tools, "GET", "/lock/:name", inspectLock, { segment: "lock_name", waitMs: (input) => input.wait ?? 0 });
  serve(api, tools, "DELETE", "/lock/:name", releaseLock, { segment: "lock_name", reserved: true });
  serve(api, tools, "GET", "/locks", listLocks);
  serve(api, tools, "POST", "/locks", acquireLocks, { waitMs: (input) => input.timeout });
}
