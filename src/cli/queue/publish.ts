import { buildCommand } from "@stricli/core";
import { jsonText as readJson } from "../../api/json-text.ts";
import { publishBatch, publishMessage } from "../../api/queues/messages.ts";
import { limits } from "../../kernel/limits.ts";
import { ask } from "../ask-operation.ts";
import { CliError } from "../cli-error.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { jsonFlag, jsonText } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { progressBar } from "../progress.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { batchesOf } from "./batches.ts";
import { messageFlags, type MessageFlags, queueParameter, switchFlag } from "./queue-flags.ts";
import { queryText, queuePath } from "./queue-path.ts";

type PublishFlags = MessageFlags & {
  readonly dedupeId?: string;
  readonly ndjson: boolean;
  readonly url?: string;
  readonly json: boolean;
};

export const publishCommand = buildCommand<PublishFlags, [string, string?], CliContext>({
  docs: {
    brief: "Put messages into a queue",
    fullDescription:
      "The message is JSON: behind the queue's name, or all of standard input. With --ndjson every line of standard input is one,\n" +
      "sent in batches of up to 1,000 messages or 1 MiB. It is kept byte for byte.\n\n" +
      "Each message has a dedupe id, so that a request whose reply was lost is repeated safely; with --dedupe-id it is yours, and\n" +
      "line N of --ndjson has ID-N: what failed half-way can be run again as a whole.\n\n" +
      "Exit codes: 0 published, 1 refused, 64 wrong command line, 65 what came is not JSON, 69 no node answered or none has a leader.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [
        queueParameter,
        { parse: String, brief: "The message, as JSON (default: standard input)", placeholder: "JSON", optional: true },
      ],
    },
    flags: {
      ...messageFlags,
      dedupeId: textFlag("Publish once, however often it is run within the queue's window", "ID"),
      ndjson: switchFlag("Each line of standard input is a message"),
      url: urlsFlag,
      json: jsonFlag(),
    },
  },
  async func(flags, queue, message) {
    if (flags.ndjson && message !== undefined) {
      throw new CliError("usage", "with --ndjson the messages come from standard input, not from the command line.");
    }
    await (flags.ndjson ? publishLines(this, flags, queue) : publishOne(this, flags, queue, message));
  },
});

async function publishOne(context: CliContext, flags: PublishFlags, queue: string, message: string | undefined) {
  const { delay, priority, group, expires, dedupeId = crypto.randomUUID() } = flags;
  const path = queuePath(queue);
  const body = message === undefined ? await allOf(context.input()) : new TextEncoder().encode(message);
  if (readJson(body) === undefined) throw new CliError("not_json", "the message is not JSON.");
  const query = queryText({ dedupe_id: dedupeId, delay, priority, group, expires, echo: 0 });
  const client = new ClusterClient(nodeUrls(flags.url, context.environment));
  const published = await ask(client, publishMessage, { method: "POST", target: path + query, body });
  const note = published.duplicate ? " was there already" : "";
  context.process.stdout.write(flags.json ? jsonText(published) : `${published.id}${note}\n`);
}

async function publishLines(context: CliContext, flags: PublishFlags, queue: string) {
  const { delay, priority, group, expires, dedupeId: dedupePrefix = crypto.randomUUID() } = flags;
  const target = `${queuePath(queue)}/batch`;
  const client = new ClusterClient(nodeUrls(flags.url, context.environment));
  const { stderr, stdout } = context.process;
  const bar = progressBar(stderr, "bytes", context.inputBytes !== undefined);
  const done = { published: 0, duplicates: 0 };
  try {
    for await (const batch of batchesOf(context.input(), {
      dedupePrefix,
      fields: { delay, priority, group, expires },
    })) {
      const { ids, duplicates } = await ask(client, publishBatch, { method: "POST", target, body: batch.body });
      done.published += ids.length;
      done.duplicates += duplicates.length;
      bar.update("publishing", batch.inputBytes, context.inputBytes ?? batch.inputBytes);
    }
  } catch (error) {
    throw withProgress(error, done.published, dedupePrefix);
  } finally {
    bar.end();
  }
  const { published, duplicates } = done;
  const note = duplicates === 0 ? "" : `, of which ${duplicates} were there already`;
  stdout.write(
    flags.json ? jsonText({ queue, published, duplicates }) : `published ${published} messages to ${queue}${note}\n`,
  );
}

/** Says how far it came, and how to go on without doubling anything. */
function withProgress(error: unknown, published: number, dedupePrefix: string): unknown {
  if (!(error instanceof CliError) || published === 0) return error;
  const cure = `run it again with --dedupe-id ${dedupePrefix}, and what is there already is not published twice`;
  return new CliError(error.code, `${published} messages were published, then ${error.message} To go on, ${cure}.`, {
    details: { published, dedupe_id: dedupePrefix, cause: error.details },
    exitCode: error.exitCode,
  });
}

async function allOf(input: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of input) {
    size += chunk.length;
    if (size > limits.maxBodyBytes) {
      throw new CliError("too_large", `the message is longer than ${limits.maxBodyBytes} bytes.`);
    }
    chunks.push(chunk.slice());
  }
  return Buffer.concat(chunks);
}
