import type { Hono } from "hono";
import { health, nodeStatus, readiness } from "../src/api/cluster.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function nodeRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  serve(api, tools, "GET", "/", nodeStatus);
  serve(api, tools, "GET", "/healthz", health);
  serve(api, tools, "GET", "/health", health);
  serve(api, tools, "GET", "/readyz", readiness);
}
