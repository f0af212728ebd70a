import { buildCommand } from "@stricli/core";
import { jsonText as readJson, printJson } from "../../api/json-text.ts";
import { listSchedules, removeSchedule, setSchedule } from "../../api/queues/schedules.ts";
import { ask } from "../ask-operation.ts";
import { CliError } from "../cli-error.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { jsonFlag, jsonText } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { tableText } from "../table.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { messageFlags, type MessageFlags, queueParameter } from "./queue-flags.ts";
import { queuePath } from "./queue-path.ts";

interface ScheduleFlags {
  readonly url?: string;
  readonly json: boolean;
}

const EXIT_CODES = "Exit codes: 0 done, 1 refused, 64 wrong command line, 69 no node answered or none has a leader.";
const scheduleParameter = { parse: String, brief: "Name of the schedule", placeholder: "SCHEDULE" } as const;
const common = { url: urlsFlag, json: jsonFlag() };

type SetFlags = ScheduleFlags &
  MessageFlags & { readonly cron: string; readonly zone?: string; readonly missed?: string };

export const scheduleSetCommand = buildCommand<SetFlags, [string, string, string], CliContext>({
  docs: {
    brief: "Publish a message again and again",
    fullDescription:
      "Makes a schedule, or replaces the one of that name. An instant at which there was no leader is made up for once, or not at\n" +
      `all with --missed skip.\n\n${EXIT_CODES}`,
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [queueParameter, scheduleParameter, { parse: String, brief: "The message", placeholder: "JSON" }],
    },
    flags: {
      cron: {
        kind: "parsed",
        parse: String,
        brief: "Five fields, or six with seconds first",
        placeholder: "EXPRESSION",
      },
      zone: textFlag("Time zone, such as Asia/Jakarta (default UTC)", "ZONE"),
      missed: textFlag("once or skip (default once)", "HOW"),
      ...messageFlags,
      ...common,
    },
  },
  async func({ url, json, ...fields }, queue, schedule, message) {
    const data = readJson(new TextEncoder().encode(message));
    if (data === undefined) throw new CliError("not_json", "the message is not JSON.");
    const client = new ClusterClient(nodeUrls(url, this.environment));
    const request = {
      method: "PUT",
      target: schedulePath(queue, schedule),
      body: printJson({ data, ...fields }),
    } as const;
    const set = await ask(client, setSchedule, request);
    const next = new Date(set.next_at_ms).toISOString();
    this.process.stdout.write(json ? jsonText(set) : `${schedule} publishes to ${queue}, next at ${next}\n`);
  },
});

export const scheduleLsCommand = buildCommand<ScheduleFlags, [string], CliContext>({
  docs: { brief: "List the schedules of a queue", fullDescription: EXIT_CODES },
  parameters: { positional: { kind: "tuple", parameters: [queueParameter] }, flags: common },
  async func(flags, queue) {
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const listed = await ask(client, listSchedules, { method: "GET", target: `${queuePath(queue)}/schedules` });
    if (flags.json) return this.process.stdout.write(jsonText(listed));
    if (listed.schedules.length === 0) return this.process.stdout.write(`${queue} has no schedule\n`);
    const rows = listed.schedules.map(({ schedule, cron, zone, fired_at_ms: fired, next_at_ms: next }) => [
      ...[schedule, cron, zone, instant(fired), instant(next)],
    ]);
    this.process.stdout.write(tableText(this, ["schedule", "cron", "zone", "fired", "next"], rows));
  },
});

export const scheduleRmCommand = buildCommand<ScheduleFlags, [string, string], CliContext>({
  docs: { brief: "Remove a schedule", fullDescription: `What it has published stays.\n\n${EXIT_CODES}` },
  parameters: { positional: { kind: "tuple", parameters: [queueParameter, scheduleParameter] }, flags: common },
  async func(flags, queue, schedule) {
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const request = { method: "DELETE", target: schedulePath(queue, schedule) } as const;
    const removed = await ask(client, removeSchedule, { ...request, idempotencyKey: crypto.randomUUID() });
    this.process.stdout.write(flags.json ? jsonText(removed) : `${schedule} was removed\n`);
  },
});

function schedulePath(queue: string, schedule: string): string {
  return `${queuePath(queue)}/schedules/${encodeURIComponent(schedule)}`;
}

function instant(ms: number | null): string {
  return ms === null ? "" : new Date(ms).toISOString();
}
