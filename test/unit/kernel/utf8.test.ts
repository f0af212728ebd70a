import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { readUtf8, utf8Length, writeUtf8 } from "../../../src/kernel/utf8.ts";

/** What the platform makes of it; undefined for what is not UTF-8. */
function decoded(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

describe("UTF-8", () => {
  test("is written and read as the platform does, however long the text is", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary", maxLength: 400, size: "max" }), (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(utf8Length(text)).toBe(bytes.length);
        const written = new Uint8Array(bytes.length);
        expect(writeUtf8(written, 0, text)).toBe(bytes.length);
        expect(written).toEqual(bytes);
        expect(readUtf8(bytes, 0, bytes.length)).toBe(decoded(bytes)!);
      }),
    );
  });

  test("is refused where the platform refuses it: overlong, surrogates, cut short, stray bytes", () => {
    const piece = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 4 }),
      fc.string({ unit: "binary", maxLength: 40 }).map((text) => new TextEncoder().encode(text)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
        const bytes = Uint8Array.from(pieces.flatMap((each) => [...each]));
        expect(readUtf8(bytes, 0, bytes.length)).toBe(decoded(bytes) as string);
      }),
      { numRuns: 1_000 },
    );
  });
});
