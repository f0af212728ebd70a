import { describe, expect, test } from "bun:test";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import { utf8 } from "../../support/wal.ts";

function bitwise(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

describe("crc32c", () => {
  test("gives the check value of the catalogue and the vectors of RFC 3720", () => {
    expect(crc32c(utf8("123456789"))).toBe(0xe3069283);
    expect(crc32c(new Uint8Array(32))).toBe(0x8a9136aa);
    expect(crc32c(new Uint8Array(32).fill(0xff))).toBe(0x62a8ab43);
    expect(crc32c(Uint8Array.from({ length: 32 }, (_, i) => i))).toBe(0x46dd794e);
    expect(crc32c(new Uint8Array(0))).toBe(0);
  });

  test("agrees with the definition for every length, start and alignment", () => {
    const bytes = Uint8Array.from({ length: 64 }, (_, i) => (i * 37 + 11) & 0xff);
    for (let start = 0; start < 16; start++) {
      for (let end = start; end <= 64; end++) {
        expect(crc32c(bytes, start, end)).toBe(bitwise(bytes.subarray(start, end)));
        expect(crc32c(bytes.subarray(start), 0, end - start)).toBe(crc32c(bytes, start, end));
      }
    }
  });

  test("goes on from the CRC of what stands before", () => {
    const bytes = Uint8Array.from({ length: 50 }, (_, i) => i * 5);
    for (let cut = 0; cut <= 50; cut++) {
      expect(crc32c(bytes, cut, 50, crc32c(bytes, 0, cut))).toBe(crc32c(bytes));
    }
  });
});
