import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteWriter, DecodeError } from "../../../src/kernel/bytes.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import { encodeHead, SnapshotVersionError } from "../../../src/kernel/block-restoration.ts";
import { LOCK_SNAPSHOT } from "../../../src/locks/snapshot/format.ts";
import { encodeEntry, randomLog } from "./random-log.ts";
import { contentOf, restoreInto } from "./snapshots.ts";

/** States in which there is some of everything. */
const contents = [3, 5, 8].map((seed) => {
  const machine = new LockMachine();
  for (const [i, entry] of randomLog(seed, 500).entries()) machine.apply(encodeEntry(entry, i + 1), () => {});
  return contentOf(machine);
});
const aContent = fc.constantFrom(...contents);

/** @returns undefined for what is refused, which must be by a DecodeError */
function tryRestore(content: Uint8Array): LockMachine | undefined {
  try {
    return restoreInto(new LockMachine(), content);
  } catch (error) {
    expect(error).toBeInstanceOf(DecodeError);
    return undefined;
  }
}

/** What was accepted can be lived with: it applies whatever comes, and can be handed on. */
function expectUsable(machine: LockMachine): void {
  const from = machine.appliedIndex + 1;
  for (const [i, entry] of randomLog(77, 120).entries()) machine.apply(encodeEntry(entry, from + i), () => {});
  const content = contentOf(machine);
  expect(contentOf(restoreInto(new LockMachine(), content))).toEqual(content);
}

describe("a snapshot that is damaged", () => {
  test("by having been cut is refused, wherever it was cut", () => {
    for (const content of contents) {
      for (let length = 0; length < content.length; length += 1 + (length % 7)) {
        expect(tryRestore(content.subarray(0, length))).toBeUndefined();
      }
    }
  });

  test("by bytes behind its end is refused", () => {
    for (const content of contents) {
      expect(tryRestore(Uint8Array.of(...content, 0))).toBeUndefined();
      expect(tryRestore(Uint8Array.of(...content, 1, 0, 0, 0, 0))).toBeUndefined();
    }
  });

  test("in any byte is refused, or is a state that can be lived with", () => {
    const change = fc.record({ at: fc.nat(), to: fc.nat(255), cut: fc.nat(3), put: fc.uint8Array({ maxLength: 3 }) });
    fc.assert(
      fc.property(aContent, fc.array(change, { minLength: 1, maxLength: 3 }), (content, changed) => {
        let bytes = [...content];
        for (const { at, to, cut, put } of changed) {
          const place = at % bytes.length;
          if (cut === 0) bytes[place] = to;
          else bytes = [...bytes.slice(0, place), ...put, ...bytes.slice(place + cut)];
        }
        const machine = tryRestore(Uint8Array.from(bytes));
        if (machine !== undefined) expectUsable(machine);
      }),
      { numRuns: 400 },
    );
  });

  test("in one bit is refused, or is a state that can be lived with", () => {
    fc.assert(
      fc.property(aContent, fc.nat(), fc.nat(7), (content, at, bit) => {
        const bytes = content.slice();
        const place = 16 + (at % (bytes.length - 16));
        bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
        const machine = tryRestore(bytes);
        if (machine !== undefined) expectUsable(machine);
      }),
      { numRuns: 400 },
    );
  });
});

describe("bytes that no machine wrote", () => {
  /** A snapshot's head, and blocks that `fill` writes. */
  function forge(fill: (writer: ByteWriter) => void, format = LOCK_SNAPSHOT.format): Uint8Array {
    const body = new ByteWriter();
    fill(body);
    const writer = new ByteWriter();
    writer.raw(encodeHead({ ...LOCK_SNAPSHOT, format }));
    writer.u32(body.length);
    writer.raw(body.written());
    return writer.copy();
  }
  /** Counters as of a new machine. */
  function writeCounters(writer: ByteWriter): void {
    for (const counter of [0, 0, 0, 1, 0, 0, 0]) writer.varint(counter);
    writer.u32(1);
    writer.u32(2);
  }

  test("are refused, however they go on", () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 200 }), (bytes) => {
        expect(tryRestore(bytes)).toBeUndefined();
        expect(tryRestore(forge((writer) => writer.raw(bytes)))).toBeUndefined();
      }),
    );
  });

  test.each([
    ["nodes", 0],
    ["keys", 1],
    ["sessions", 2],
    ["fences", 4],
  ])("and announce 2⁵² %s take no memory", (_what, before) => {
    const content = forge((writer) => {
      writeCounters(writer);
      for (let i = 0; i < before; i++) writer.varint(0);
      writer.varint(2 ** 52);
      writer.varint(2 ** 52);
    });
    expect(tryRestore(content)).toBeUndefined();
  });

  test("and announce a block of 4 GB are refused before it comes", () => {
    const content = contents[0]?.slice(0, 16) ?? new Uint8Array(0);
    content.fill(0xff, 12);
    expect(() => new LockMachine().restore().take(content)).toThrow(DecodeError);
  });

  test("are refused with the format that they say, if that is another one: they may be sound", () => {
    const newer = forge(() => {}, LOCK_SNAPSHOT.format + 1);
    expect(() => new LockMachine().restore().take(newer)).toThrow(SnapshotVersionError);
    expect(() => new LockMachine().restore().take(newer)).toThrow(`format ${LOCK_SNAPSHOT.format + 1}`);
    const foreign = contents[0]?.slice() ?? new Uint8Array(0);
    foreign[0] = 0;
    expect(() => new LockMachine().restore().take(foreign)).not.toThrow(SnapshotVersionError);
  });
});

describe("a restoration that was refused", () => {
  test("leaves the machine as it was, and takes nothing any more", () => {
    const content = contents[0] ?? new Uint8Array(0);
    const machine = restoreInto(new LockMachine(), contents[1] ?? content);
    const before = machine.digest();
    const restoration = machine.restore();
    const broken = content.slice();
    broken.fill(0xff, broken.length >> 1);
    expect(() => restoration.take(broken)).toThrow(DecodeError);
    expect(() => restoration.take(content)).toThrow(DecodeError);
    expect(() => restoration.finish()).toThrow(DecodeError);
    expect(machine.digest()).toBe(before);
  });

  test("is one of more than the limits let in", () => {
    const few = { ...limits, maxLocks: 1, maxSessions: 0, maxFences: 0, maxIdempotencyKeys: 0 };
    for (const content of contents) expect(() => restoreInto(new LockMachine(few), content)).toThrow(DecodeError);
  });
});
