import { z } from "zod";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { limits } from "../kernel/limits.ts";

/** What names one delivery of one message (PROTOCOLS U1). The queue's `Receipt` is one. */
export interface ReceiptFields {
  readonly shard: number;
  readonly queue: string;
  readonly message: number;
  readonly attempt: number;
  readonly nonce: number;
}

const VERSION = 1;
const CHECKSUM_BYTES = 4;
/** Version, four numbers of at most eight bytes, the name with its length, checksum; four characters for three bytes. */
const MAX_CHARACTERS = Math.ceil(((1 + 4 * 8 + 2 + limits.maxNameBytes + CHECKSUM_BYTES) * 4) / 3);
const MAX_NONCE = 2 ** 48;

/**
 * A receipt as clients hold it: URL-safe text, opaque to them. It is no secret and not signed; who may ack a queue may ack all of it,
 * and the nonce in it is what a stranger cannot guess. The checksum tells a token that was cut or mistyped (400) from one that is
 * not good any more (404, 409).
 */
export function encodeAckToken({ shard, queue, message, attempt, nonce }: ReceiptFields): string {
  const writer = new ByteWriter(64);
  writer.u8(VERSION);
  writer.varint(shard);
  writer.varint(message);
  writer.varint(attempt);
  writer.varint(nonce);
  writer.string(queue);
  writer.u32(crc32c(writer.written()));
  return Buffer.from(writer.written()).toString("base64url");
}

/** @returns undefined for what {@link encodeAckToken} never gave */
export function decodeAckToken(token: string): ReceiptFields | undefined {
  if (token.length > MAX_CHARACTERS) return undefined;
  const bytes = Buffer.from(token, "base64url");
  // The decoder skips what is not of its alphabet, and bits at the end: two texts would be one token.
  if (bytes.toString("base64url") !== token) return undefined;
  const end = bytes.length - CHECKSUM_BYTES;
  if (end < 1 || bytes.readUInt32LE(end) !== crc32c(bytes, 0, end)) return undefined;
  try {
    const reader = new ByteReader(bytes, 0, end);
    if (reader.u8() !== VERSION) return undefined;
    const shard = reader.varint();
    const message = reader.varint();
    const attempt = reader.varint();
    const nonce = reader.varint();
    const queue = reader.string();
    const isWhole = reader.remaining === 0 && message > 0 && attempt > 0 && nonce < MAX_NONCE && queue !== "";
    return isWhole ? { shard, queue, message, attempt, nonce } : undefined;
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

const error = "must be the ack_token of a delivery, as it came";

export const AckToken = z.string({ error }).transform((token, context): ReceiptFields => {
  const receipt = decodeAckToken(token);
  if (receipt !== undefined) return receipt;
  context.issues.push({ code: "custom", message: error, input: token });
  return z.NEVER;
});
