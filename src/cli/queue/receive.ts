import { buildCommand } from "@stricli/core";
import { receiveBatch } from "../../api/queues/messages.ts";
import { ackMessages, nackMessages } from "../../api/queues/settlements.ts";
import { StartError } from "../../kernel/start-error.ts";
import { ask, askForText } from "../ask-operation.ts";
import { CliError } from "../cli-error.ts";
import { ClusterClient } from "../cluster-client.ts";
import type { CliContext } from "../context.ts";
import { exitCode } from "../exit-code.ts";
import { jsonFlag } from "../json-flag.ts";
import { nodeUrls } from "../node-url.ts";
import { secondsBetween } from "../seconds.ts";
import { textFlag } from "../text-flag.ts";
import { urlsFlag } from "../url-flag.ts";
import { queueParameter, switchFlag } from "./queue-flags.ts";
import { jsonBytes, queuePath } from "./queue-path.ts";
import { type ReceivedMessage, receivedMessages } from "./received-messages.ts";

interface ReceiveFlags {
  readonly max: number;
  readonly wait?: number;
  readonly visibility?: string;
  readonly ack: boolean;
  readonly follow: boolean;
  readonly url?: string;
  readonly json: boolean;
}

/** A request of --follow waits so long for a message, and then it asks again. */
const FOLLOW_WAIT_MS = 20_000;
const MAX_WAIT_SECONDS = 60;

export const receiveCommand = buildCommand<ReceiveFlags, [string], CliContext>({
  docs: {
    brief: "Take messages from a queue",
    fullDescription:
      "Each message is one line on standard output, its JSON as it was published; what acks it stands on standard error. With --json\n" +
      "a line holds id, attempt, ack_token and all else. A message that is not acked comes again after its visibility.\n\n" +
      "With --ack a message is acked once its line has been taken from us; what could not be handed on goes back, and its attempt\n" +
      "counts for nothing. With --follow it goes on until SIGINT or SIGTERM.\n\n" +
      "Exit codes: 0 received, or stopped by a signal; 1 nothing was there, or refused; 64 wrong command line,\n" +
      "69 no node answered or none has a leader.",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [queueParameter] },
    flags: {
      max: {
        kind: "parsed",
        parse: parseMax,
        default: "1",
        brief: "At most so many at once (default 1)",
        placeholder: "N",
      },
      wait: {
        kind: "parsed",
        parse: secondsBetween("--wait", 0, MAX_WAIT_SECONDS),
        optional: true,
        brief: "Wait so long for the first (default 0)",
        placeholder: "SECONDS",
      },
      visibility: textFlag("Comes again if it is not acked in so long (default: as the queue is set)", "SECONDS"),
      ack: switchFlag("Ack each message once it is printed"),
      follow: switchFlag("Keep receiving"),
      url: urlsFlag,
      json: jsonFlag("Lines of JSON with id, attempt and ack_token"),
    },
  },
  async func(flags, queue) {
    const receiver = new Receiver(this, flags, queue);
    const stop = new AbortController();
    const end = this.signals.subscribe(() => stop.abort());
    try {
      await receiver.run(stop.signal);
    } finally {
      end();
    }
    if (receiver.count === 0 && !stop.signal.aborted) {
      this.process.stderr.write("mufakat: nothing to receive\n");
      this.process.exitCode = exitCode.failure;
    }
  },
});

class Receiver {
  /** Messages printed. */
  count = 0;
  private readonly client: ClusterClient;
  private readonly path: string;

  constructor(
    private readonly context: CliContext,
    private readonly flags: ReceiveFlags,
    queue: string,
  ) {
    this.path = queuePath(queue);
    this.client = new ClusterClient(nodeUrls(flags.url, context.environment));
  }

  async run(signal: AbortSignal): Promise<void> {
    do {
      const messages = await this.receive(signal);
      if (!(await this.hand(messages, signal))) return;
    } while (this.flags.follow && !signal.aborted);
  }

  /** A signal cuts the connection, and the node gives back what it was about to hand over. */
  private async receive(signal: AbortSignal): Promise<ReceivedMessage[]> {
    const { max, visibility, follow, wait = follow ? FOLLOW_WAIT_MS : 0 } = this.flags;
    const body = jsonBytes({ max, wait: wait / 1000, visibility });
    const request = { method: "POST", target: `${this.path}/receive`, body, waitMs: wait, signal } as const;
    try {
      return receivedMessages((await askForText(this.client, receiveBatch, request)).text);
    } catch (error) {
      if (signal.aborted) return [];
      throw error;
    }
  }

  /** @returns whether somebody still reads what we print */
  private async hand(messages: readonly ReceivedMessage[], signal: AbortSignal): Promise<boolean> {
    if (messages.length === 0) return true;
    if (signal.aborted) return this.giveBack(messages);
    const { stdout, stderr } = this.context.process;
    const { json, ack } = this.flags;
    stdout.write(messages.map(({ line, data }) => `${json ? line : data}\n`).join(""));
    // ↯ `receive --follow --ack | head -1`: acked unread, every message of the queue would be gone.
    if (!(await this.context.outputTaken())) return this.giveBack(messages);
    this.count += messages.length;
    if (ack) await this.ack(messages);
    else if (!json) {
      const note = ({ id, attempt, ackToken }: ReceivedMessage) =>
        `${id}, attempt ${attempt}: mufakat queue ack ${ackToken}\n`;
      stderr.write(messages.map(note).join(""));
    }
    return true;
  }

  private async ack(messages: readonly ReceivedMessage[]): Promise<void> {
    const body = jsonBytes({ ack_tokens: messages.map(({ ackToken }) => ackToken) });
    const idempotencyKey = crypto.randomUUID();
    const settled = await ask(this.client, ackMessages, { method: "POST", target: "/queue/ack", body, idempotencyKey });
    if (settled.status !== "partial") return;
    const missed = "results" in settled ? settled.results.filter((result) => result !== "acknowledged") : [];
    throw new CliError(
      "stale_attempt",
      `${missed.length} of ${messages.length} messages were printed and could not be acked (${missed[0]}): they may come again.`,
    );
  }

  private async giveBack(messages: readonly ReceivedMessage[]): Promise<false> {
    const body = jsonBytes({ ack_tokens: messages.map(({ ackToken }) => ackToken), unstarted: true });
    await ask(this.client, nackMessages, { method: "POST", target: "/queue/nack", body });
    return false;
  }
}

function parseMax(input: string): number {
  const max = /^\d{1,4}$/.test(input) ? Number(input) : 0;
  if (max >= 1 && max <= 1000) return max;
  throw new StartError(`--max must be a whole number from 1 to 1000, not "${input}".`);
}
