import type { Hono } from "hono";
import { closeSession, listSessions, openSession, renewSession } from "../src/api/sessions.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function sessionRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  serve(api, tools, "POST", "/session", openSession);
  serve(api, tools, "PUT", "/session/:id", renewSession, { segment: "session", reserved: true });
  serve(api, tools, "DELETE", "/session/:id", closeSession, { segment: "session", reserved: true });
  serve(api, tools, "GET", "/sessions", listSessions);
}
