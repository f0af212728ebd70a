import { buildCommand } from "@stricli/core";
import type { z } from "zod";
import type { Operation } from "../../api/operation.ts";
import {
  changeSettings,
  pauseQueue,
  purgeQueue,
  readSettings,
  redriveQueue,
  resumeQueue,
} from "../../api/queues/control.ts";
import { ask } from "../ask-operation.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { jsonFlag, jsonText } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { queueParameter, switchFlag } from "./queue-flags.ts";
import { jsonBytes, queuePath } from "./queue-path.ts";

interface ControlFlags {
  readonly url?: string;
  readonly json: boolean;
}

const EXIT_CODES = "Exit codes: 0 done, 1 refused, 64 wrong command line, 69 no node answered or none has a leader.";
const positional = { kind: "tuple", parameters: [queueParameter] } as const;
const common = { url: urlsFlag, json: jsonFlag() };

export const purgeCommand = buildCommand<ControlFlags & { readonly dead: boolean }, [string], CliContext>({
  docs: {
    brief: "Drop what a queue holds",
    fullDescription: `Drops what is ready or delayed, or with --dead the dead letters; what is in flight stays.\n\n${EXIT_CODES}`,
  },
  parameters: { positional, flags: { dead: switchFlag("Drop the dead letters instead"), ...common } },
  async func({ dead, ...flags }, queue) {
    const fields = { part: dead ? "dead" : "live" };
    const { purged } = await change(this, flags, purgeQueue, queue, "purge", fields);
    if (!flags.json) this.process.stdout.write(`dropped ${purged} messages of ${queue}\n`);
  },
});

export const redriveCommand = buildCommand<ControlFlags & { readonly max?: string }, [string], CliContext>({
  docs: {
    brief: "Make dead letters ready again",
    fullDescription: `The oldest first, as if they had never been delivered.\n\n${EXIT_CODES}`,
  },
  parameters: { positional, flags: { max: textFlag("At most so many (default and most 1000)", "N"), ...common } },
  async func({ max, ...flags }, queue) {
    const { redriven } = await change(this, flags, redriveQueue, queue, "redrive", { max });
    if (!flags.json) this.process.stdout.write(`${redriven} dead letters of ${queue} are ready again\n`);
  },
});

export const pauseCommand = buildCommand<ControlFlags, [string], CliContext>({
  docs: { brief: "Give receivers nothing", fullDescription: `Publishing and acking go on.\n\n${EXIT_CODES}` },
  parameters: { positional, flags: common },
  async func(flags, queue) {
    await change(this, flags, pauseQueue, queue, "pause");
    if (!flags.json) this.process.stdout.write(`${queue} is paused\n`);
  },
});

export const resumeCommand = buildCommand<ControlFlags, [string], CliContext>({
  docs: { brief: "Give receivers messages again", fullDescription: EXIT_CODES },
  parameters: { positional, flags: common },
  async func(flags, queue) {
    await change(this, flags, resumeQueue, queue, "resume");
    if (!flags.json) this.process.stdout.write(`${queue} goes on\n`);
  },
});

type SettingsFlags = ControlFlags & {
  readonly visibility?: string;
  readonly maxDeliveries?: string;
  readonly backoff?: string;
  readonly maxBackoff?: string;
  readonly dedupeWindow?: string;
  readonly maxInFlight?: string;
  readonly rateLimit?: string;
  readonly rateInterval?: string;
  readonly expires?: string;
};

export const settingsCommand = buildCommand<SettingsFlags, [string], CliContext>({
  docs: {
    brief: "Show or change how a queue is set",
    fullDescription: `Without a flag nothing is changed; what no flag names stays as it is.\n\n${EXIT_CODES}`,
  },
  parameters: {
    positional,
    flags: {
      visibility: textFlag("How long a delivery stays out without being acked", "SECONDS"),
      maxDeliveries: textFlag("Failed deliveries before a message is a dead letter; 0: as many as it takes", "N"),
      backoff: textFlag("Wait after the first nack; doubles with each", "SECONDS"),
      maxBackoff: textFlag("The most that comes to", "SECONDS"),
      dedupeWindow: textFlag("How long dedupe ids are remembered", "SECONDS"),
      maxInFlight: textFlag("Messages that may be out at once; 0: no limit of this queue's own", "N"),
      rateLimit: textFlag("Deliveries in --rate-interval; 0: as fast as they are asked for", "N"),
      rateInterval: textFlag("See --rate-limit", "SECONDS"),
      expires: textFlag("Dead-letter what nobody took in so long; 0: never", "SECONDS"),
      ...common,
    },
  },
  async func({ url, json, ...given }, queue) {
    const changes = Object.entries(given).filter(([, value]) => value !== undefined);
    const fields = Object.fromEntries(changes.map(([name, value]) => [snakeCase(name), value]));
    const target = `${queuePath(queue)}/settings`;
    const client = new ClusterClient(nodeUrls(url, this.environment));
    const settings =
      changes.length === 0
        ? await ask(client, readSettings, { method: "GET", target })
        : await ask(client, changeSettings, { method: "PUT", target, body: jsonBytes(fields) });
    this.process.stdout.write(json ? jsonText(settings) : settingsText(settings));
  },
});

/** Asks for one change, under a key of its own so that a reply which is lost changes nothing twice; with --json prints the reply. */
async function change<Output extends z.ZodType>(
  context: CliContext,
  { url, json }: ControlFlags,
  operation: Operation<z.ZodType, Output>,
  queue: string,
  verb: string,
  fields: Readonly<Record<string, unknown>> = {},
): Promise<z.output<Output>> {
  const client = new ClusterClient(nodeUrls(url, context.environment));
  const target = `${queuePath(queue)}/${verb}`;
  const idempotencyKey = crypto.randomUUID();
  const done = await ask(client, operation, { method: "POST", target, body: jsonBytes(fields), idempotencyKey });
  if (json) context.process.stdout.write(jsonText(done));
  return done;
}

function settingsText(settings: Readonly<Record<string, unknown>>): string {
  const { queue: _queue, node: _node, durability: _durability, ...shown } = settings;
  const width = Math.max(...Object.keys(shown).map((name) => name.length));
  return Object.entries(shown)
    .map(([name, value]) => `${name.padEnd(width)}  ${String(value)}\n`)
    .join("");
}

/** `maxDeliveries` → `max_deliveries`: a field of the API. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
