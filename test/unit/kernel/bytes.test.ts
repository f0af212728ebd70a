import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, DecodeError } from "../../../src/kernel/bytes.ts";

describe("bytes", () => {
  test("give back numbers and text as they were written", () => {
    const u32 = fc.integer({ min: 0, max: 0xffff_ffff });
    const varint = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
    fc.assert(
      fc.property(u32, varint, fc.string({ unit: "grapheme" }), fc.uint8Array(), (a, b, text, blob) => {
        const writer = new ByteWriter(1);
        writer.u32(a);
        writer.varint(b);
        writer.string(text);
        writer.blob(blob);
        const reader = new ByteReader(writer.copy());
        expect(reader.u32()).toBe(a);
        expect(reader.varint()).toBe(b);
        expect(reader.string()).toBe(text);
        expect(reader.blob()).toEqual(blob);
        reader.finish();
      }),
    );
  });

  test("are little-endian", () => {
    expect(new ByteReader(Uint8Array.of(1, 2, 3, 0xff)).u32()).toBe(0xff030201);
  });

  test("that are too few are refused", () => {
    expect(() => new ByteReader(Uint8Array.of(1, 2, 3)).u32()).toThrow(DecodeError);
  });
});
