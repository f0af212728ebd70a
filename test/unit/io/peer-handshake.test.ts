import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import {
  checkGreeting,
  decodeGreeting,
  decodeRefusal,
  encodeGreeting,
  encodeRefusal,
  type Expectation,
  type Greeting,
} from "../../../src/io/peer-handshake.ts";
import { greetingOf } from "../../support/peer-nodes.ts";

const self = greetingOf({ nodeId: "node1", replica: 1, incarnation: "incarnation-1" });
const member = (replica: number) => ({ nodeId: `node${replica}`, replica, address: { host: "h", port: 1 } });

function expectation(changes: Partial<Expectation> = {}): Expectation {
  return {
    self,
    members: new Map([
      [2, member(2)],
      [3, member(3)],
    ]),
    settledBelow: 6,
    dialedNodeId: undefined,
    isBelieved: false,
    knownIncarnation: () => undefined,
    liveIncarnation: () => undefined,
    ...changes,
  };
}

function codeOf(changes: Partial<Greeting>, against: Partial<Expectation> = {}): string | undefined {
  return checkGreeting(greetingOf(changes), expectation(against))?.code;
}

describe("a peer's greeting", () => {
  test("survives the wire", () => {
    const clientAddress = { host: "::1", port: 8002 };
    const greeting = greetingOf({
      nodeId: "knoten-ü",
      incarnation: "9007199254740991",

      clientAddress,
    });
    expect(decodeGreeting(encodeGreeting(greeting), self)).toEqual(greeting);
  });

  test("of a newer or an unknown protocol is refused whatever else it holds", () => {
    const bytes = encodeGreeting(greetingOf());
    for (const [version, code] of [
      [3, "newer_protocol"],
      [0xffffffff, "newer_protocol"],
      [0, "unknown_protocol"],
    ] as const) {
      const other = bytes.slice(0, 20);
      new DataView(other.buffer).setUint32(4, version, true);
      expect(decodeGreeting(other, self)).toMatchObject({ code });
    }
  });

  test("may say more than this version knows", () => {
    const bytes = encodeGreeting(greetingOf());
    expect(decodeGreeting(Uint8Array.of(...bytes, 1, 2, 3), self)).toEqual(greetingOf());
  });

  test("with another magic number or cut short is none", () => {
    const bytes = encodeGreeting(greetingOf());
    expect(decodeGreeting(bytes.slice(0, -1), self)).toBeUndefined();
    expect(decodeGreeting(bytes.slice(1), self)).toBeUndefined();
    expect(decodeGreeting(new Uint8Array(0), self)).toBeUndefined();
  });

  test("of a member is accepted, the first time and again", () => {
    expect(codeOf({})).toBeUndefined();
    expect(
      codeOf({}, { knownIncarnation: () => "incarnation-2", liveIncarnation: () => "incarnation-2" }),
    ).toBeUndefined();
    expect(codeOf({}, { dialedNodeId: "node2" })).toBeUndefined();
  });

  const known = { knownIncarnation: (): string => "incarnation-2" };
  const living = { ...known, liveIncarnation: (): string => "incarnation-2" };
  const cases: [string, Partial<Greeting>, Partial<Expectation>][] = [
    ["wrong_cluster", { clusterId: "another" }, {}],
    ["wrong_target", { targetNodeId: "node3" }, {}],
    ["wrong_target", { nodeId: "node2" }, { dialedNodeId: "node3" }],
    ["unknown_node", { nodeId: "node9" }, {}],
    ["unknown_node", { nodeId: "node6", replica: 6 }, {}],
    ["removed_node", { nodeId: "node5", replica: 5 }, {}],
    ["removed_node", { nodeId: "node2", replica: 4 }, {}],
    ["unknown_node", { replica: 3 }, {}],
    ["duplicate_node", { nodeId: "node1", incarnation: "another" }, {}],
    ["duplicate_node", { nodeId: "node1", incarnation: "another", targetNodeId: "node2" }, {}],
    ["duplicate_node", { incarnation: "another while the first lives" }, living],
    ["wiped_node", { incarnation: "another" }, known],
  ];
  test.each(cases)("is refused with %s when it says %j", (code, greeting, against) => {
    expect(codeOf(greeting, against)).toBe(code);
  });

  test("of this very process, reached through a wrong address, is a wrong target and not a duplicate", () => {
    expect(codeOf({ nodeId: "node1", incarnation: "incarnation-1", targetNodeId: "node2" })).toBe("wrong_target");
  });

  test("of a wiped node names the cure", () => {
    const refusal = checkGreeting(greetingOf({ incarnation: "new" }), expectation({ knownIncarnation: () => "old" }));
    expect(refusal?.sentence).toContain("this node was wiped: run `mufakat cluster replace node2`");
  });
});

describe("a refusal", () => {
  test("survives the wire", () => {
    const refusal = { code: "unknown_node", sentence: "node9 is not a member" } as const;
    expect(decodeRefusal(encodeRefusal(refusal))).toEqual(refusal);
  });

  test("with a code from the future counts as an unknown protocol and keeps its sentence", () => {
    const bytes = encodeRefusal({ code: "from_the_future" as "unknown_node", sentence: "why" });
    expect(decodeRefusal(bytes)).toEqual({ code: "unknown_protocol", sentence: "why" });
  });

  test("brings no control characters and no novel to a terminal", () => {
    const bytes = encodeRefusal({ code: "unknown_node", sentence: `\u001b[2J\nhello${"x".repeat(2000)}` });
    const sentence = decodeRefusal(bytes)?.sentence ?? "";
    expect(sentence.startsWith("?[2J?hello")).toBe(true);
    expect(sentence).toHaveLength(300);
  });
});

test("no bytes make a handshake decoder throw", () => {
  const bytes = encodeGreeting(greetingOf());
  const damaged = fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)).map(([at, value]) => bytes.with(at, value));
  const property = fc.property(fc.oneof(fc.uint8Array({ maxLength: 80 }), damaged), (input) => {
    decodeGreeting(input, self);
    decodeRefusal(input);
  });
  fc.assert(property, { numRuns: 1000 });
});
