import { jsonText, printJson, type JsonText } from "../../api/json-text.ts";
import { limits } from "../../kernel/limits.ts";
import { CliError } from "../cli-error.ts";

/** One request's worth of messages. */
export interface Batch {
  /** `{"messages": […]}` */
  readonly body: Uint8Array;
  readonly count: number;
  /** Bytes of input up to its end. */
  readonly inputBytes: number;
}

interface BatchOptions {
  /** Of line N the dedupe id is PREFIX-N: a batch that is sent again, and an input that is, is the same messages. */
  readonly dedupePrefix: string;
  /** Fields that all messages have. */
  readonly fields: Readonly<Record<string, string | undefined>>;
}

const NEWLINE = 0x0a;
const HEAD = new TextEncoder().encode('{"messages":[');
const TAIL = new TextEncoder().encode("]}");

/**
 * Makes batches of lines of JSON, of as many messages and bytes as one request may have. A line is sent byte for byte as it stands.
 *
 * @throws {CliError} that names the line which is not JSON, or is too long; batches before it have been given
 */
export async function* batchesOf(input: AsyncIterable<Uint8Array>, options: BatchOptions): AsyncGenerator<Batch> {
  let number = 0;
  let inputBytes = 0;
  let batch = new Draft();
  for await (const line of linesOf(input)) {
    number += 1;
    inputBytes += line.length + 1;
    const data = readLine(line, number);
    if (data === undefined) continue;
    const message = printJson({ data, dedupe_id: `${options.dedupePrefix}-${number}`, ...options.fields });
    if (HEAD.length + message.length + TAIL.length > limits.maxBodyBytes) {
      throw new CliError("too_large", `line ${number} is longer than a message can be.`);
    }
    if (!batch.fits(message)) {
      yield batch.finish();
      batch = new Draft();
    }
    batch.add(message, inputBytes);
  }
  if (batch.count > 0) yield batch.finish();
}

class Draft {
  private readonly parts: Uint8Array[] = [];
  private bytes = HEAD.length + TAIL.length;
  private inputBytes = 0;

  get count(): number {
    return this.parts.length;
  }

  fits(message: Uint8Array): boolean {
    return this.count < limits.maxPublishMessages && this.bytes + message.length + 1 <= limits.maxBodyBytes;
  }

  add(message: Uint8Array, inputBytes: number): void {
    this.parts.push(message);
    this.bytes += message.length + 1;
    this.inputBytes = inputBytes;
  }

  finish(): Batch {
    const separated = this.parts.flatMap((part, index) => (index === 0 ? [part] : [COMMA, part]));
    return { body: Buffer.concat([HEAD, ...separated, TAIL]), count: this.count, inputBytes: this.inputBytes };
  }
}

const COMMA = new TextEncoder().encode(",");

/** Blank lines count as lines and are no messages. */
function readLine(line: Uint8Array, number: number): JsonText | undefined {
  if (line.every((byte) => byte <= 0x20)) return undefined;
  const data = jsonText(line);
  if (data === undefined) throw new CliError("not_json", `line ${number} is not JSON.`);
  return data;
}

/** Without their ends; the last one may have none. A line that no message can be is cut short once that is known. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let kept: Uint8Array[] = [];
  let keptBytes = 0;
  for await (const chunk of input) {
    let start = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, start)) {
      yield Buffer.concat([...kept, chunk.subarray(start, end)]);
      kept = [];
      keptBytes = 0;
      start = end + 1;
    }
    const rest = chunk.slice(start);
    keptBytes += rest.length;
    kept.push(rest);
    if (keptBytes > MAX_LINE_BYTES) throw new CliError("too_large", "a line is longer than a message can be.");
  }
  if (keptBytes > 0) yield Buffer.concat(kept);
}

const MAX_LINE_BYTES = 2 * limits.maxBodyBytes;
