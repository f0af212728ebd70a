import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { type PeerMessage, readPeerMessages, writePeerMessage } from "../../../src/engine/peer-messages.ts";
import { diskStates } from "../../../src/engine/disk-report.ts";
import { membershipEnds } from "../../../src/engine/membership-change.ts";
import { transferRefusals } from "../../../src/engine/transfers.ts";
import { ByteWriter } from "../../../src/kernel/bytes.ts";
import { nodeFactsOf } from "../../support/engine-fakes.ts";

const whole = fc.maxSafeNat();
const proposal = fc.record({
  ingress: whole,
  sequence: whole,
  attempt: whole,
  reserved: fc.boolean(),
  payload: fc.uint8Array({ maxLength: 40 }),
});
const peerMessage: fc.Arbitrary<PeerMessage> = fc.oneof(
  fc.record({
    type: fc.constant("raft" as const),
    message: fc.record({
      type: fc.constant("heartbeatReply" as const),
      ...{ group: whole, from: whole, to: whole, term: whole, round: whole },
    }),
  }),
  fc.record({ type: fc.constant("proposals" as const), group: whole, proposals: fc.array(proposal, { maxLength: 8 }) }),
  fc.record({
    type: fc.constant("refused" as const),
    group: whole,
    reason: fc.constantFrom("notLeader" as const, "overloaded" as const, "diskFull" as const),
    ingress: whole,
    attempts: fc.array(fc.record({ sequence: whole, attempt: whole }), { maxLength: 8 }),
  }),
  fc.record({ type: fc.constant("readRequest" as const), group: whole, id: whole }),
  fc.record({ type: fc.constant("readReply" as const), group: whole, id: whole, index: whole }),
  fc.record({ type: fc.constant("transferRequest" as const), group: whole, id: whole, to: whole }),
  fc.record({
    type: fc.constant("transferRefused" as const),
    group: whole,
    id: whole,
    reason: fc.constantFrom(...transferRefusals),
  }),
  fc.record({
    type: fc.constant("membershipRequest" as const),
    ...{ group: whole, term: whole, id: whole, triedFrom: whole },
    change: fc.oneof(
      fc.record({ type: fc.constant("remove" as const), replica: whole }),
      fc.constant({ type: "add" as const, node: nodeFactsOf(4) }),
    ),
  }),
  fc.record({
    type: fc.constant("membershipReply" as const),
    ...{ group: whole, term: whole, id: whole },
    end: fc.record({ type: fc.constantFrom(...membershipEnds), replica: whole }),
  }),
  fc.record({ type: fc.constant("features" as const), level: whole }),
  fc.record({ type: fc.constant("disk" as const), state: fc.constantFrom(...diskStates), medianSyncUs: whole }),
  fc.record({ type: fc.constant("stateHash" as const), group: whole, formula: whole, index: whole, hash: whole }),
);

function encode(messages: readonly PeerMessage[]): Uint8Array {
  const writer = new ByteWriter();
  for (const message of messages) writePeerMessage(writer, message);
  return writer.copy();
}

describe("a frame of peer messages", () => {
  test("reads as it was written", () => {
    fc.assert(
      fc.property(fc.array(peerMessage, { maxLength: 6 }), (messages) => {
        expect(readPeerMessages(encode(messages))).toEqual(messages);
      }),
    );
  });

  test("of whatever bytes is read or refused, and never throws", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        readPeerMessages(bytes);
      }),
      { numRuns: 3000 },
    );
  });

  test("with any byte changed is read or refused, and never throws", () => {
    fc.assert(
      fc.property(peerMessage, fc.nat(), fc.integer({ min: 1, max: 255 }), (message, position, change) => {
        const bytes = encode([message]);
        const place = position % bytes.length;
        bytes[place] = (bytes[place] ?? 0) ^ change;
        readPeerMessages(bytes);
      }),
      { numRuns: 2000 },
    );
  });

  test("that is cut short is refused", () => {
    fc.assert(
      fc.property(peerMessage, fc.nat(), (message, cut) => {
        const bytes = encode([message]);
        const length = 1 + (cut % (bytes.length - 1));
        expect(readPeerMessages(bytes.subarray(0, length))).toBeUndefined();
      }),
    );
  });

  test("with a code or a flag that is none is refused", () => {
    const bytes = encode([{ type: "refused", group: 0, reason: "diskFull", ingress: 1, attempts: [] }]);
    expect(bytes[2]).toBe(2);
    bytes[2] = 3;
    expect(readPeerMessages(bytes)).toBeUndefined();
    const payload = new Uint8Array(0);
    const proposal = { ingress: 1, sequence: 1, attempt: 1, reserved: true, payload };
    const flagged = encode([{ type: "proposals", group: 0, proposals: [proposal] }]);
    expect(flagged[6]).toBe(1);
    flagged[6] = 2;
    expect(readPeerMessages(flagged)).toBeUndefined();
  });

  test("keeps its codes: nodes of two releases share a cluster while it is upgraded", () => {
    expect([...encode([{ type: "disk", state: "exhausted", medianSyncUs: 5 }])]).toEqual([8, 2, 5]);
  });

  test("that announces more than it holds allocates nothing", () => {
    expect(readPeerMessages(new Uint8Array([2, 0, 0xff, 0xff, 0xff, 0xff, 0x7f]))).toBeUndefined();
    expect(readPeerMessages(new Uint8Array([3, 0, 0, 1, 0xff, 0xff, 0xff, 0xff, 0x7f]))).toBeUndefined();
  });
});
