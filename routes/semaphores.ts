import type { Hono } from "hono";
import { acquirePermits, inspectSemaphore, releasePermits } from "../src/api/semaphores.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function semaphoreRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  const pattern = "/semaphore/:name";
  serve(api, tools, "POST", pattern, acquirePermits, { segment: "semaphore", waitMs: (input) => input.timeout });
  serve(api, tools, "GET", pattern, inspectSemaphore, { segment: "semaphore" });
  serve(api, tools, "DELETE", pattern, releasePermits, { segment: "semaphore", reserved: true });
}
