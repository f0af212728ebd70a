import type { Hono } from "hono";
import {
  changeSettings,
  pauseQueue,
  purgeQueue,
  readSettings,
  redriveQueue,
  resumeQueue,
} from "../src/api/queues/control.ts";
import { publishBatch, publishMessage, receiveBatch, receiveMessage } from "../src/api/queues/messages.ts";
import { listSchedules, removeSchedule, setSchedule } from "../src/api/queues/schedules.ts";
import { ackMessages, extendMessages, nackMessages } from "../src/api/queues/settlements.ts";
import { browseMessages, deadMessages, listQueues, queueStatistics } from "../src/api/queues/views.ts";
import { type EndpointTools, type HttpEnv, serve } from "./endpoint.ts";

export function queueRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  // `/queue/ack`, with or without a token behind it: see `routedPath`.
  const settlement = { tail: "ack_token", reserved: true };
  serve(api, tools, "POST", "/queue ack", ackMessages, settlement);
  serve(api, tools, "POST", "/queue nack", nackMessages, settlement);
  serve(api, tools, "POST", "/queue extend", extendMessages, settlement);
  messageRoutes(api, tools);
  viewRoutes(api, tools);
  controlRoutes(api, tools);
}

function messageRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  const name = "/queue/:name";
  const waitMs = (input: { readonly wait: number }): number => input.wait;
  serve(api, tools, "POST", name, publishMessage, { segment: "queue", body: { whole: "data" }, keepsJson: true });
  serve(api, tools, "GET", name, receiveMessage, { segment: "queue", waitMs, keepsJson: true, withoutHead: true });
  const data = { list: "messages", member: "data" };
  serve(api, tools, "POST", `${name}/batch`, publishBatch, { segment: "queue", body: data });
  serve(api, tools, "POST", `${name}/receive`, receiveBatch, { segment: "queue", waitMs, keepsJson: true });
}

function viewRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  const name = "/queue/:name";
  serve(api, tools, "GET", `${name}/stats`, queueStatistics, { segment: "queue" });
  serve(api, tools, "GET", `${name}/dead`, deadMessages, { segment: "queue", keepsJson: true });
  serve(api, tools, "GET", `${name}/browse`, browseMessages, { segment: "queue", keepsJson: true });
  serve(api, tools, "GET", "/queues", listQueues);
}

function controlRoutes(api: Hono<HttpEnv>, tools: EndpointTools): void {
  const name = "/queue/:name";
  const segment = "queue";
  serve(api, tools, "GET", `${name}/settings`, readSettings, { segment });
  serve(api, tools, "PUT", `${name}/settings`, changeSettings, { segment });
  serve(api, tools, "POST", `${name}/purge`, purgeQueue, { segment });
  serve(api, tools, "POST", `${name}/redrive`, redriveQueue, { segment });
  serve(api, tools, "POST", `${name}/pause`, pauseQueue, { segment });
  serve(api, tools, "POST", `${name}/resume`, resumeQueue, { segment });
  serve(api, tools, "GET", `${name}/schedules`, listSchedules, { segment, keepsJson: true });
  const schedule = { segment: ["queue", "schedule"] } as const;
  const body = { member: "data" };
  serve(api, tools, "PUT", `${name}/schedules/:id`, setSchedule, { ...schedule, body });
  serve(api, tools, "DELETE", `${name}/schedules/:id`, removeSchedule, schedule);
}
