import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { DecodeError } from "../../../src/kernel/bytes.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { decodeCommand, encodeCommand } from "../../../src/locks/codec.ts";
import type { CommandEnvelope, LockCommand, LockWish, Principal } from "../../../src/locks/types.ts";

const id = fc.string({ maxLength: 40, unit: "grapheme" });
const name = fc.string({ minLength: 1, maxLength: 40, unit: "grapheme" });
const positive = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const token = fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER });
const ttlMs = fc.integer({ min: 0, max: limits.maxTtlMs });
const principal: fc.Arbitrary<Principal> = fc.oneof(
  fc.record({ kind: fc.constant("session" as const), id }),
  fc.record({ kind: fc.constant("owner" as const), name: id }),
  fc.record({ kind: fc.constant("once" as const), id, node: id }),
);
const holder = fc.oneof(
  principal,
  fc.record({ kind: fc.constant("anonymous" as const), node: id }),
  fc.record({ kind: fc.constant("onceId" as const), id }),
);
const claim = { principal, ttlMs, waitMs: fc.integer({ min: 0, max: limits.maxWaitMs }) };
const mode = fc.constantFrom("exclusive" as const, "shared" as const);
const released = { holder, fencingToken: fc.option(token, { nil: undefined }) };
const permits = fc
  .tuple(fc.integer({ min: 1, max: limits.maxPermits }), fc.integer({ min: 1, max: limits.maxPermits }))
  .map(([a, b]) => ({ permits: Math.min(a, b), limit: Math.max(a, b) }));
const command: fc.Arbitrary<LockCommand> = fc.oneof(
  fc.record({ type: fc.constant("registerIngress" as const), node: id }),
  fc.record({ type: fc.constant("openSession" as const), session: id, ttlMs }),
  fc.record({ type: fc.constant("keepalive" as const), sessions: fc.array(id) }),
  fc.record({ type: fc.constant("closeSession" as const), session: id }),
  fc.record({
    type: fc.constant("acquire" as const),
    lock: name,
    mode: fc.constant("exclusive" as const),
    value: fc.string({ maxLength: 40, unit: "grapheme" }),
    ...claim,
  }),
  fc.record({ type: fc.constant("acquire" as const), lock: name, mode, ...claim }),
  fc.record({
    type: fc.constant("acquireAll" as const),
    locks: fc.uniqueArray(fc.record({ lock: name, mode }), {
      minLength: 1,
      maxLength: limits.maxLocksPerRequest,
      selector: ({ lock }) => lock,
    }),
    ...claim,
  }),
  fc.record({ type: fc.constant("release" as const), lock: name, ...released }),
  fc
    .record({ type: fc.constant("acquirePermits" as const), semaphore: name, permits, ...claim })
    .map((draft) => ({ ...draft, ...draft.permits })),
  fc.record({ type: fc.constant("releasePermits" as const), semaphore: name, ...released }),
  fc.record({ type: fc.constant("cancel" as const), ingress: positive, sequence: positive }),
  fc.record({ type: fc.constant("fence" as const), resource: name, token }),
);
const envelope: fc.Arbitrary<CommandEnvelope> = fc.record({
  ingress: positive,
  sequence: positive,
  floor: token,
  idempotencyKey: fc.option(id, { nil: undefined }),
  command,
});

const wanted = { principal: { kind: "owner", name: "a" }, ttlMs: 1, waitMs: 1 } as const;
const plain: CommandEnvelope = {
  ingress: 1,
  sequence: 1,
  floor: 1,
  idempotencyKey: undefined,
  command: { type: "closeSession", session: "s" },
};

function numbered(count: number): LockWish[] {
  return Array.from({ length: count }, (_, i) => ({ lock: `${i}`, mode: "exclusive" }));
}

/** Behind format, ingress, sequence, floor and the flag of the key, one byte each. */
function encodedBody(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(5);
}

describe("the codec of commands", () => {
  test("gives back what was encoded", () => {
    fc.assert(
      fc.property(envelope, (original) => {
        expect(decodeCommand(encodeCommand(original))).toEqual(original);
      }),
      { numRuns: 500 },
    );
  });

  test("refuses every truncation and every byte too many", () => {
    fc.assert(
      fc.property(envelope, (original) => {
        const bytes = encodeCommand(original);
        for (let length = 0; length < bytes.length; length++) {
          expect(() => decodeCommand(bytes.subarray(0, length))).toThrow(DecodeError);
        }
        expect(() => decodeCommand(Uint8Array.of(...bytes, 0))).toThrow(DecodeError);
      }),
      { numRuns: 50 },
    );
  });

  test("throws nothing but DecodeError for any bytes, and what it takes can be encoded again", () => {
    const check = (bytes: Uint8Array) => {
      try {
        encodeCommand(decodeCommand(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(DecodeError);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), check), { numRuns: 2_000 });
    const damage = fc.tuple(envelope, fc.nat(), fc.integer({ min: 0, max: 255 }));
    fc.assert(
      fc.property(damage, ([original, at, value]) => {
        const bytes = encodeCommand(original);
        bytes[at % bytes.length] = value;
        check(bytes);
      }),
      { numRuns: 2_000 },
    );
  });

  test("refuses a forged count of sessions without allocating for it", () => {
    const bytes = encodeCommand({ ...plain, command: { type: "keepalive", sessions: [] } });
    const forged = Uint8Array.of(...bytes.subarray(0, -1), 0xff, 0xff, 0xff, 0xff, 0x0f);
    expect(() => decodeCommand(forged)).toThrow(DecodeError);
  });

  test("refuses another format", () => {
    const bytes = encodeCommand(plain);
    bytes[0] = 2;
    expect(() => decodeCommand(bytes)).toThrow("unknown format");
  });

  test.each<LockCommand>([
    { type: "fence", resource: "", token: 1 },
    { type: "fence", resource: "x".repeat(limits.maxNameBytes + 1), token: 1 },
    { type: "fence", resource: "é".repeat(limits.maxNameBytes / 2 + 1), token: 1 },
    { type: "closeSession", session: "x".repeat(limits.maxNameBytes + 17) },
    { type: "openSession", session: "s", ttlMs: limits.maxTtlMs + 1 },
    { type: "cancel", ingress: 0, sequence: 1 },
    { type: "acquireAll", locks: [], ...wanted },
    { type: "acquireAll", locks: numbered(limits.maxLocksPerRequest + 1), ...wanted },
    { type: "acquireAll", locks: [...numbered(2), ...numbered(1)], ...wanted },
    { type: "acquire", lock: "x", mode: "shared", value: "v", ...wanted },
    { type: "acquire", lock: "x", mode: "exclusive", value: "é".repeat(limits.maxValueBytes / 2 + 1), ...wanted },
    { type: "acquirePermits", semaphore: "s", permits: 0, limit: 1, ...wanted },
    { type: "acquirePermits", semaphore: "s", permits: 3, limit: 2, ...wanted },
    { type: "acquirePermits", semaphore: "s", permits: 1, limit: limits.maxPermits + 1, ...wanted },
    { type: "fence", resource: "r", token: 0.5 },
  ])("does not encode what it would not decode: %j", (bad) => {
    expect(() => encodeCommand({ ...plain, command: bad })).toThrow();
  });

  test.each<[what: string, command: LockCommand, written: readonly number[], forged: readonly number[]]>([
    [
      "a value in shared mode",
      { type: "acquire", lock: "x", mode: "exclusive", value: "v", ...wanted },
      [8, 1, 120, 1],
      [8, 1, 120, 0],
    ],
    [
      "one lock twice",
      { type: "acquireAll", locks: numbered(2), ...wanted },
      [9, 2, 1, 48, 1, 1, 49, 1],
      [9, 2, 1, 48, 1, 1, 48, 1],
    ],
    [
      "no permits",
      { type: "acquirePermits", semaphore: "s", permits: 1, limit: 1, ...wanted },
      [10, 1, 115, 1],
      [10, 1, 115, 0],
    ],
    [
      "more permits than there are",
      { type: "acquirePermits", semaphore: "s", permits: 1, limit: 1, ...wanted },
      [10, 1, 115, 1],
      [10, 1, 115, 2],
    ],
  ])("does not decode what it would not encode: %s", (_what, command, written, forged) => {
    const bytes = encodeCommand({ ...plain, command });
    const at = bytes.length - encodedBody(bytes).length;
    expect([...encodedBody(bytes).subarray(0, written.length)]).toEqual([...written]);
    bytes.set(forged, at);
    expect(() => decodeCommand(bytes)).toThrow(DecodeError);
  });

  test("writes an acquire without a value as it always did", () => {
    const bytes = encodeCommand({
      ...plain,
      command: {
        type: "acquire",
        lock: "x",
        mode: "exclusive",
        principal: { kind: "owner", name: "a" },
        ttlMs: 5,
        waitMs: 6,
      },
    });
    expect([...bytes]).toEqual([1, 1, 1, 1, 0, 4, 1, 120, 1, 1, 1, 97, 5, 6]);
  });

  test("takes names and ids of the greatest length", () => {
    const longest: LockCommand = {
      type: "acquire",
      lock: "é".repeat(limits.maxNameBytes / 2),
      mode: "shared",
      principal: { kind: "session", id: "x".repeat(limits.maxNameBytes + 16) },
      ttlMs: limits.maxTtlMs,
      waitMs: limits.maxWaitMs,
    };
    expect(decodeCommand(encodeCommand({ ...plain, command: longest })).command).toEqual(longest);
  });
});
