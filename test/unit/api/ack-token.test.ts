import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeAckToken, encodeAckToken, type ReceiptFields } from "../../../src/api/ack-token.ts";

const receipts: fc.Arbitrary<ReceiptFields> = fc.record({
  shard: fc.nat(1024),
  queue: fc.string({ minLength: 1, maxLength: 170, unit: "grapheme" }).filter((name) => name.isWellFormed()),
  message: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  attempt: fc.integer({ min: 1, max: 2 ** 31 }),
  nonce: fc.integer({ min: 0, max: 2 ** 48 - 1 }),
});
const one: ReceiptFields = { shard: 3, queue: "orders/eu", message: 70_000, attempt: 2, nonce: 2 ** 47 + 1 };

describe("an ack_token (PROTOCOLS U1)", () => {
  test("is URL-safe and gives its receipt back", () => {
    fc.assert(
      fc.property(receipts, (receipt) => {
        const token = encodeAckToken(receipt);
        expect(token).toMatch(/^[A-Za-z0-9_-]+$/);
        expect(decodeAckToken(token)).toEqual(receipt);
      }),
    );
  });

  test("of a queue with the longest name is read, too", () => {
    const largest = {
      ...one,
      queue: "n".repeat(512),
      message: Number.MAX_SAFE_INTEGER,
      attempt: Number.MAX_SAFE_INTEGER,
    };
    expect(decodeAckToken(encodeAckToken(largest))).toEqual(largest);
  });

  test("is short", () => {
    expect(encodeAckToken(one).length).toBeLessThan(48);
  });

  test("that was cut, lengthened or mistyped is none", () => {
    const token = encodeAckToken(one);
    for (let end = 0; end < token.length; end++) expect(decodeAckToken(token.slice(0, end))).toBeUndefined();
    for (const more of ["A", "AAAA", "=", "==", " ", "\n", "%"]) expect(decodeAckToken(token + more)).toBeUndefined();
    for (let at = 0; at < token.length; at++) {
      const other = token[at] === "A" ? "B" : "A";
      expect(decodeAckToken(token.slice(0, at) + other + token.slice(at + 1))).toBeUndefined();
    }
  });

  test("of another version, or of no message, is none", () => {
    for (const wrong of [{ message: 0 }, { attempt: 0 }, { queue: "" }, { nonce: 2 ** 48 }]) {
      expect(decodeAckToken(encodeAckToken({ ...one, ...wrong }))).toBeUndefined();
    }
  });

  test("of any bytes is none, and never an error", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        expect(decodeAckToken(Buffer.from(bytes).toString("base64url"))).toBeUndefined();
      }),
    );
    expect(decodeAckToken("A".repeat(1_000_000))).toBeUndefined();
  });
});
