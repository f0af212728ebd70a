import { ByteReader, ByteWriter, demand } from "../kernel/bytes.ts";

/** Where pages are kept: they are a part of the state, and no decision looks into one. */
export interface PageStore {
  put(id: number, content: Uint8Array): void;
  /** @returns what {@link put} was given */
  get(id: number): Uint8Array;
  delete(id: number): void;
  /** All of them are of no more use. */
  close(): void;
}

/** In memory: for tests, the simulator, and small backlogs. */
export class MemoryPages implements PageStore {
  private readonly pages = new Map<number, Uint8Array>();

  put(id: number, content: Uint8Array): void {
    this.pages.set(id, content);
  }

  get(id: number): Uint8Array {
    const content = this.pages.get(id);
    if (content === undefined) throw new Error(`page ${id} is not there`);
    return content;
  }

  delete(id: number): void {
    this.pages.delete(id);
  }

  close(): void {
    this.pages.clear();
  }
}

/** Messages in the middle of a long list, as bytes: neither the next to go nor the last that came. */
export interface Page {
  readonly id: number;
  readonly count: number;
  /** Of bodies. */
  readonly bytes: number;
  readonly minNumber: number;
  readonly maxNumber: number;
  /** Wall time at which its first message was published. */
  readonly firstPublishedAtMs: number;
}

/** What a page keeps of a message. */
export interface PagedMessage {
  readonly number: number;
  readonly attempt: number;
  readonly failures: number;
  readonly priority: number;
  readonly groupKey: string | undefined;
  readonly publishedAtMs: number;
  readonly deadReason: "deliveries" | "expired" | undefined;
  readonly body: Uint8Array;
}

const REASONS = [undefined, "deliveries", "expired"] as const;
const scratch = new ByteWriter(256 * 1024);

export function encodePage(messages: Iterable<PagedMessage>): Uint8Array {
  scratch.reset();
  for (const message of messages) writePagedMessage(scratch, message);
  return scratch.copy();
}

/** Each view on `content`. @throws {DecodeError} */
export function* decodePage(content: Uint8Array): Generator<PagedMessage> {
  const reader = new ByteReader(content);
  while (reader.remaining > 0) yield readPagedMessage(reader);
}

function writePagedMessage(writer: ByteWriter, message: PagedMessage): void {
  writer.varint(message.number);
  writer.varint(message.attempt);
  writer.varint(message.failures);
  writer.u8(message.priority);
  writer.u8(REASONS.indexOf(message.deadReason));
  writer.u8(message.groupKey === undefined ? 0 : 1);
  if (message.groupKey !== undefined) writer.string(message.groupKey);
  writer.varint(message.publishedAtMs);
  writer.blob(message.body);
}

function readPagedMessage(reader: ByteReader): PagedMessage {
  const number = reader.varint();
  const attempt = reader.varint();
  const failures = reader.varint();
  const priority = reader.u8();
  const reason = reader.u8();
  demand(reason < REASONS.length && failures <= attempt, "a message that cannot be");
  const groupKey = reader.u8() === 1 ? reader.string() : undefined;
  const publishedAtMs = reader.varint();
  return {
    number,
    attempt,
    failures,
    priority,
    groupKey,
    publishedAtMs,
    deadReason: REASONS[reason],
    body: reader.blob(),
  };
}
