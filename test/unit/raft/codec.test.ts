import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { ByteReader, ByteWriter, DecodeError } from "../../../src/kernel/bytes.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { readEntry, readMessage, writeEntry, writeMessage } from "../../../src/raft/codec.ts";
import type { Entry, Message } from "../../../src/raft/types.ts";

const whole = fc.maxSafeNat();
const payload = fc.uint8Array({ maxLength: 64 });
const kind = fc.constantFrom<Entry["kind"][]>("noop", "command", "time");
const entryArbitrary: fc.Arbitrary<Entry> = fc.record({
  index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  term: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  kind,
  leaseTimeMs: whole,
  payload,
});
const envelope = { group: whole, from: whole, to: whole, term: whole };
const literal = <Type extends string>(type: Type) => fc.constant(type);
/** Entries that follow one another, as a leader of a high term sends them. */
const appendArbitrary: fc.Arbitrary<Message> = fc
  .tuple(
    fc.nat(1_000_000),
    fc.integer({ min: 1, max: 1000 }),
    fc.array(fc.tuple(fc.nat(3), fc.nat(50), kind, payload), { maxLength: 20 }),
    fc.record({ group: whole, from: whole, to: whole, commitIndex: whole, leaseTimeMs: whole }),
  )
  .map(([prevIndex, prevTerm, steps, rest]) => {
    let term = prevTerm;
    let leaseTimeMs = 0;
    const entries = steps.map(([higher, later, entryKind, bytes], i): Entry => {
      term += higher;
      leaseTimeMs += later;
      return { index: prevIndex + 1 + i, term, kind: entryKind, leaseTimeMs, payload: bytes };
    });
    return { type: "append", ...rest, term, prevIndex, prevTerm, entries };
  });
const snapshotArbitrary = fc.record({
  index: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  term: fc.integer({ min: 1, max: 1000 }),
  leaseTimeMs: whole,
  totalBytes: fc.integer({ min: 1_000_064, max: Number.MAX_SAFE_INTEGER }),
  digest: whole,
  configuration: fc
    .uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 7 })
    .map((replicas) => ({ voters: replicas.slice(0, 4), learners: replicas.slice(4) })),
});
const messageArbitrary: fc.Arbitrary<Message> = fc.oneof(
  fc.record({ type: literal("preVoteRequest"), ...envelope, lastIndex: whole, lastTerm: whole }),
  fc.record({ type: literal("preVoteReply"), ...envelope, granted: fc.boolean() }),
  fc.record({ type: literal("voteRequest"), ...envelope, lastIndex: whole, lastTerm: whole }),
  fc.record({ type: literal("voteReply"), ...envelope, granted: fc.boolean() }),
  appendArbitrary,
  fc.record({
    type: literal("appendReply"),
    ...envelope,
    success: fc.boolean(),
    index: whole,
    hintTerm: whole,
    hintIndex: whole,
  }),
  fc.record({
    type: literal("appendReply"),
    ...envelope,
    success: fc.boolean(),
    index: whole,
    hintTerm: whole,
    hintIndex: whole,
    repairing: fc.constant(true as const),
  }),
  fc.record({ type: literal("heartbeat"), ...envelope, round: whole, commitIndex: whole, leaseTimeMs: whole }),
  fc.record({ type: literal("heartbeatReply"), ...envelope, round: whole }),
  fc.record({ type: literal("timeoutNow"), ...envelope }),
  fc.record({
    type: literal("voteRequest"),
    ...envelope,
    lastIndex: whole,
    lastTerm: whole,
    transfer: fc.constant(true as const),
  }),
  fc.record({
    type: literal("snapshotChunk"),
    ...envelope,
    term: fc.integer({ min: 1000, max: Number.MAX_SAFE_INTEGER }),
    snapshot: snapshotArbitrary,
    offset: fc.nat(1_000_000),
    bytes: payload,
  }),
  fc.record({
    type: literal("snapshotReply"),
    ...envelope,
    index: whole,
    offset: whole,
    state: fc.constantFrom("receiving", "refused", "installed"),
  }),
  fc.record({
    type: literal("snapshotReply"),
    ...envelope,
    index: whole,
    offset: whole,
    state: fc.constantFrom("receiving", "refused", "installed"),
    repairing: fc.constant(true as const),
  }),
);

function encode(message: Message): Uint8Array {
  const writer = new ByteWriter();
  writeMessage(writer, message);
  return writer.copy();
}

function decode(bytes: Uint8Array): Message | "refused" {
  const reader = new ByteReader(bytes);
  try {
    const message = readMessage(reader);
    reader.finish();
    return message;
  } catch (error) {
    if (error instanceof DecodeError) return "refused";
    throw error;
  }
}

const THREE = { voters: [1, 2, 3], learners: [] };
const at = { group: 0, from: 1, to: 2 };
const entry = (index: number, term: number, leaseTimeMs = 0): Entry => {
  return { index, term, kind: "command", leaseTimeMs, payload: new Uint8Array([1, 2, 3]) };
};
const append = (entries: Entry[]): Message => {
  return { type: "append", ...at, term: 5, prevIndex: 10, prevTerm: 3, commitIndex: 9, leaseTimeMs: 4, entries };
};

describe("a message", () => {
  test("reads as it was written", () => {
    fc.assert(fc.property(messageArbitrary, (message) => expect(decode(encode(message))).toEqual(message)));
  });

  test("cut short is refused, whatever its kind", () => {
    fc.assert(
      fc.property(messageArbitrary, fc.nat(), (message, cut) => {
        const bytes = encode(message);
        expect(decode(bytes.subarray(0, cut % bytes.length))).toBe("refused");
      }),
    );
  });

  test("of random bytes is refused or read, and nothing else is thrown", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        decode(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("with any byte changed is refused or read, and nothing else is thrown", () => {
    fc.assert(
      fc.property(messageArbitrary, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, position, change) => {
        const bytes = encode(message);
        const place = position % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        decode(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("of an unknown type, or with a flag that is none, is refused", () => {
    expect(decode(new Uint8Array([99, 0, 1, 2, 3, 4]))).toBe("refused");
    const bytes = encode({ type: "voteReply", ...at, term: 5, granted: true });
    bytes[bytes.length - 1] = 2;
    expect(decode(bytes)).toBe("refused");
  });
});

describe("an append", () => {
  test.each([
    ["leave a gap before them", [entry(12, 4)]],
    ["leave a gap between them", [entry(11, 4), entry(13, 4)]],
    ["repeat an index", [entry(11, 4), entry(11, 4)]],
    ["begin at an index that is there", [entry(10, 4)]],
    ["are of a lower term than the one before", [entry(11, 2)]],
    ["fall back in term", [entry(11, 5), entry(12, 4)]],
    ["are of a later term than their sender", [entry(11, 6)]],
    ["fall back in lease time", [entry(11, 4, 9), entry(12, 4, 8)]],
    ["have no term", [entry(11, 0)]],
    ["bring a configuration that is none", [{ ...entry(11, 4), kind: "configuration" as const }]],
  ])("whose entries %s is refused", (_what, entries) => {
    expect(decode(encode(append(entries)))).toBe("refused");
  });

  test("in order is read", () => {
    const message = append([entry(11, 3, 1), entry(12, 5, 1), entry(13, 5, 7)]);
    expect(decode(encode(message))).toEqual(message);
  });

  test("that announces more entries than it has bytes for allocates nothing", () => {
    const bytes = encode(append([]));
    const forged = new Uint8Array([...bytes.subarray(0, -1), 0xff, 0xff, 0xff, 0xff, 0x7f]);
    expect(decode(forged)).toBe("refused");
  });
});

describe("a piece of a snapshot", () => {
  const snapshot = { index: 9, term: 4, leaseTimeMs: 100, totalBytes: 300_000, digest: 7, configuration: THREE };
  const chunk = (change: Partial<typeof snapshot>, offset: number, size: number): Message => {
    const bytes = new Uint8Array(size);
    return { type: "snapshotChunk", ...at, term: 5, snapshot: { ...snapshot, ...change }, offset, bytes };
  };

  test.each([
    ["reaches beyond its end", chunk({}, 299_999, 2)],
    ["begins beyond its end", chunk({}, 300_001, 0)],
    ["is larger than a piece may be", chunk({}, 0, limits.maxSnapshotChunkBytes + 1)],
    ["is of a snapshot without bytes", chunk({ totalBytes: 0 }, 0, 0)],
    ["is of no entry", chunk({ index: 0 }, 0, 1)],
    ["is of an entry without a term", chunk({ term: 0 }, 0, 1)],
    ["is of a later term than its sender", chunk({ term: 6 }, 0, 1)],
  ])("that %s is refused", (_what, message) => {
    expect(decode(encode(message))).toBe("refused");
  });

  test("that reaches its end is read, and so is one without bytes", () => {
    for (const message of [chunk({}, 299_998, 2), chunk({}, 300_000, 0), chunk({}, 0, limits.maxSnapshotChunkBytes)]) {
      expect(decode(encode(message))).toEqual(message);
    }
  });
});

describe("the codes of messages", () => {
  test("never change", () => {
    const plain = { ...at, term: 5 };
    const snapshot = { index: 9, term: 4, leaseTimeMs: 100, totalBytes: 3, digest: 7, configuration: THREE };
    const candidacy = { ...plain, lastIndex: 1, lastTerm: 1 };
    const messages: Message[] = [
      { type: "preVoteRequest", ...candidacy },
      { type: "preVoteReply", ...plain, granted: true },
      { type: "voteRequest", ...candidacy },
      { type: "voteReply", ...plain, granted: true },
      append([]),
      { type: "appendReply", ...plain, success: true, index: 1, hintTerm: 0, hintIndex: 0 },
      { type: "heartbeat", ...plain, round: 1, commitIndex: 1, leaseTimeMs: 1 },
      { type: "heartbeatReply", ...plain, round: 1 },
      { type: "timeoutNow", ...plain },
      { type: "voteRequest", ...candidacy, transfer: true },
      { type: "snapshotChunk", ...plain, snapshot, offset: 2, bytes: new Uint8Array([255]) },
      { type: "snapshotReply", ...plain, index: 9, offset: 3, state: "installed" },
    ];
    expect(messages.map((message) => encode(message)[0])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect([...encode(messages[10]!)]).toEqual([10, 0, 1, 2, 5, 9, 4, 100, 3, 7, 3, 1, 2, 3, 0, 0, 2, 1, 255]);
    expect([...encode(messages[11]!)]).toEqual([11, 0, 1, 2, 5, 2, 9, 3]);
  });
});

describe("an entry", () => {
  test("reads as it was written", () => {
    fc.assert(
      fc.property(entryArbitrary, (written) => {
        const writer = new ByteWriter();
        writeEntry(writer, written);
        expect(readEntry(new ByteReader(writer.copy()))).toEqual(written);
      }),
    );
  });
});
