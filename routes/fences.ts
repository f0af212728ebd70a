import type { Hono } from "hono";
import { checkFence } from "../src/api/fences.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function fenceRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  serve(api, tools, "POST", "/fence/:resource", checkFence, { segment: "resource" });
}
