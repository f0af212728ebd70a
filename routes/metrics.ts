import type { Hono } from "hono";
import type { z } from "zod";
import { MetricsQuery } from "../src/api/cluster.ts";
import type { Metrics } from "../src/server/metrics.ts";
import { type EndpointTools, type HttpEnv, validated } from "./endpoint.ts";

export function metricsRoutes(api: Hono<HttpEnv>, tools: EndpointTools, metrics: Metrics): void {
  const pattern = "/metrics";
  api.get(pattern, ...validated(tools, MetricsQuery, "GET", pattern), async (c) => {
    const { format } = c.req.valid("param" as never) as z.output<typeof MetricsQuery>;
    c.header("Cache-Control", "no-store");
    if ((format ?? wanted(c.req.header("accept"))) === "json") return c.json(metrics.json());
    return c.body(await metrics.text(), 200, { "Content-Type": metrics.contentType });
  });
}

/** Browsers and `curl` accept everything, Prometheus names text first: JSON is for those who name it alone. */
function wanted(accept: string | undefined): "json" | "prometheus" {
  return accept?.includes("application/json") === true && !accept.includes("text/") ? "json" : "prometheus";
}
