import type { Hono } from "hono";
import { clusterStatus, transferLeadership } from "../src/api/cluster.ts";
import { addNode, removeNode } from "../src/api/members.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function clusterRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  serve(api, tools, "GET", "/cluster", clusterStatus);
  serve(api, tools, "POST", "/cluster/transfer", transferLeadership);
  serve(api, tools, "POST", "/cluster/nodes", addNode);
  serve(api, tools, "DELETE", "/cluster/nodes/:node", removeNode, { segment: "node_id" });
}
