import { buildCommand } from "@stricli/core";
import type { OperationOutput } from "../../api/operation.ts";
import { browseMessages, listQueues, queueStatistics } from "../../api/queues/views.ts";
import { ask, askForText } from "../ask-operation.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { jsonFlag, jsonText } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { shortDuration } from "../short-duration.ts";
import { tableText } from "../table.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { queueParameter } from "./queue-flags.ts";
import { queryText, queuePath } from "./queue-path.ts";
import { shownMessages } from "./received-messages.ts";

interface LookFlags {
  readonly url?: string;
  readonly json: boolean;
}

type Figures = OperationOutput<typeof listQueues>["queues"][number];

const EXIT_CODES = "Exit codes: 0 shown, 1 refused, 64 wrong command line, 69 no node answered or none has a leader.";
const PAGE = 500;
const SHOWN_CHARACTERS = 80;

export const peekCommand = buildCommand<
  LookFlags & { readonly state?: string; readonly after?: string; readonly limit?: string },
  [string],
  CliContext
>({
  docs: {
    brief: "Look at messages without taking them",
    fullDescription: `The oldest first. With --json each message is a line, its data as it was published.\n\n${EXIT_CODES}`,
  },
  parameters: {
    positional: { kind: "tuple", parameters: [queueParameter] },
    flags: {
      state: textFlag("ready, delayed, in_flight or dead (default ready)", "STATE"),
      after: textFlag("Those behind the message of this id", "ID"),
      limit: textFlag("At most so many, up to 1000 (default 100)", "N"),
      url: urlsFlag,
      json: jsonFlag("Lines of JSON"),
    },
  },
  async func({ state, after, limit, ...flags }, queue) {
    const target = `${queuePath(queue)}/browse${queryText({ state, after, limit })}`;
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const { output, text } = await askForText(client, browseMessages, { method: "GET", target });
    const shown = shownMessages(text);
    if (flags.json) return this.process.stdout.write(shown.map(({ line }) => `${line}\n`).join(""));
    if (shown.length === 0) return this.process.stdout.write(`no message is ${output.state.replace("_", " ")}\n`);
    const rows = output.messages.map((message, index) => [
      message.id,
      String(message.attempt),
      String(message.failures),
      String(message.priority),
      message.due_in_ms === 0 ? "" : shortDuration(message.due_in_ms),
      message.dead_reason ?? "",
      cut(shown[index]?.data ?? ""),
    ]);
    this.process.stdout.write(
      tableText(this, ["id", "attempts", "failed", "priority", "due in", "dead by", "data"], rows),
    );
  },
});

export const statsCommand = buildCommand<LookFlags, [string], CliContext>({
  docs: { brief: "Show what a queue holds and what became of its messages", fullDescription: EXIT_CODES },
  parameters: {
    positional: { kind: "tuple", parameters: [queueParameter] },
    flags: { url: urlsFlag, json: jsonFlag() },
  },
  async func(flags, queue) {
    const target = `${queuePath(queue)}/stats`;
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const statistics = await ask(client, queueStatistics, { method: "GET", target });
    this.process.stdout.write(flags.json ? jsonText(statistics) : statisticsText(statistics));
  },
});

export const queueLsCommand = buildCommand<LookFlags & { readonly prefix?: string }, [], CliContext>({
  docs: { brief: "List queues", fullDescription: EXIT_CODES },
  parameters: { flags: { prefix: textFlag("Only names that begin so", "PREFIX"), url: urlsFlag, json: jsonFlag() } },
  async func(flags) {
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const queues = await allQueues(client, flags.prefix);
    this.process.stdout.write(flags.json ? jsonText({ queues }) : queuesText(this, queues));
  },
});

async function allQueues(client: ClusterClient, prefix: string | undefined): Promise<Figures[]> {
  const queues: Figures[] = [];
  for (let after: string | undefined = ""; after !== undefined;) {
    const target = `/queues${queryText({ prefix, after, limit: PAGE })}`;
    const page: OperationOutput<typeof listQueues> = await ask(client, listQueues, { method: "GET", target });
    queues.push(...page.queues);
    after = page.next;
  }
  return queues;
}

function queuesText(context: CliContext, queues: readonly Figures[]): string {
  if (queues.length === 0) return "no queue holds anything\n";
  const head = ["queue", "ready", "delayed", "in flight", "dead", "oldest", "receivers", ""];
  const rows = queues.map(({ queue, ready, delayed, in_flight: out, dead, oldest_ready_ms: ms, receivers, paused }) => [
    ...[queue, String(ready), String(delayed), String(out), String(dead)],
    ...[ms === null ? "" : shortDuration(ms), String(receivers), paused ? "paused" : ""],
  ]);
  return tableText(context, head, rows);
}

function statisticsText(statistics: OperationOutput<typeof queueStatistics>): string {
  const { oldest_ready_ms: ms, ...others } = statistics;
  const rows = { ...others, oldest_ready: ms === null ? "none" : shortDuration(ms) };
  const width = Math.max(...Object.keys(rows).map((name) => name.length));
  const lines = Object.entries(rows).map(([name, value]) => `${name.replaceAll("_", " ").padEnd(width)}  ${value}`);
  return `${lines.join("\n")}\n`;
}

function cut(data: string): string {
  return data.length > SHOWN_CHARACTERS ? `${data.slice(0, SHOWN_CHARACTERS)}…` : data;
}
