import { buildCommand } from "@stricli/core";
import type { z } from "zod";
import type { Operation } from "../../api/operation.ts";
import { ackMessages, extendMessages, nackMessages } from "../../api/queues/settlements.ts";
import { ask } from "../ask-operation.ts";
import { CliError } from "../cli-error.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { jsonFlag, jsonText } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { switchFlag } from "./queue-flags.ts";
import { jsonBytes } from "./queue-path.ts";

interface SettleFlags {
  readonly url?: string;
  readonly json: boolean;
}

const EXIT_CODES =
  "Exit codes: 0 done, 1 at least one token was not good any more, or refused; 64 wrong command line,\n" +
  "69 no node answered or none has a leader.";
const positional = {
  kind: "array",
  parameter: { parse: String, brief: "As receive gave it", placeholder: "ACK_TOKEN" },
  minimum: 1,
} as const;
const common = { url: urlsFlag, json: jsonFlag() };

export const ackCommand = buildCommand<SettleFlags, string[], CliContext>({
  docs: { brief: "A message is done with", fullDescription: `Ends messages by their ack_tokens.\n\n${EXIT_CODES}` },
  parameters: { positional, flags: common },
  async func(flags, ...tokens) {
    await settle(this, flags, { operation: ackMessages, path: "/queue/ack", tokens });
  },
});

export const nackCommand = buildCommand<
  SettleFlags & { readonly delay?: string; readonly unstarted: boolean },
  string[],
  CliContext
>({
  docs: {
    brief: "A message failed, and is to come again",
    fullDescription:
      "Gives messages back by their ack_tokens: after --delay, or after the queue's back-off. After its last try a message is a\n" +
      `dead letter; one that nobody has begun with goes back at once with --unstarted, which does not count.\n\n${EXIT_CODES}`,
  },
  parameters: {
    positional,
    flags: {
      delay: textFlag("Come again after so long (default: the queue's back-off)", "SECONDS"),
      unstarted: switchFlag("Nobody has begun with it: this delivery does not count"),
      ...common,
    },
  },
  async func({ delay, unstarted, ...flags }, ...tokens) {
    const fields = { delay, unstarted };
    await settle(this, flags, { operation: nackMessages, path: "/queue/nack", tokens, fields });
  },
});

export const extendCommand = buildCommand<SettleFlags & { readonly visibility?: string }, string[], CliContext>({
  docs: {
    brief: "A message takes longer",
    fullDescription: `Makes ack_tokens good for --visibility from now on.\n\n${EXIT_CODES}`,
  },
  parameters: {
    positional,
    flags: { visibility: textFlag("For so long from now on (default 30)", "SECONDS"), ...common },
  },
  async func({ visibility, ...flags }, ...tokens) {
    const fields = { visibility };
    await settle(this, flags, { operation: extendMessages, path: "/queue/extend", tokens, fields });
  },
});

interface Settlement {
  readonly operation: Operation<
    z.ZodType,
    z.ZodType<{ readonly status: string; readonly results?: readonly string[] }>
  >;
  readonly path: string;
  readonly tokens: readonly string[];
  readonly fields?: Readonly<Record<string, unknown>>;
}

async function settle(context: CliContext, flags: SettleFlags, { operation, path, tokens, fields = {} }: Settlement) {
  const body = jsonBytes({ ack_tokens: tokens, ...fields });
  const client = new ClusterClient(nodeUrls(flags.url, context.environment));
  const idempotencyKey = crypto.randomUUID();
  const settled = await ask(client, operation, { method: "POST", target: path, body, idempotencyKey });
  const { status, results = [] } = settled;
  if (status === "partial") {
    const [first] = results.filter((result) => result === "stale_attempt" || result === "unknown_receipt");
    const message = `not every token was good: ${results.join(", ")}, in the order of the command line.`;
    throw new CliError(first === "unknown_receipt" ? first : "stale_attempt", message, { details: { results } });
  }
  context.process.stdout.write(flags.json ? jsonText(settled) : `${results.join("\n")}\n`);
}
