import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { SnapshotSender } from "../../../src/raft/snapshot-sender.ts";

const snapshot = {
  index: 10,
  term: 1,
  leaseTimeMs: 0,
  totalBytes: 100,
  digest: 7,
  configuration: { voters: [1, 2, 3], learners: [] },
};
const bounds = { maxSnapshotChunkBytes: 10, maxSnapshotWindowBytes: 35, maxTrailingEntries: 0, maxHeldEntries: 0 };
const sender = () => new SnapshotSender(snapshot, bounds, 300);

function drain(sending: SnapshotSender, nowMs = 0): [number, number][] {
  const pieces: [number, number][] = [];
  for (let piece = sending.next(nowMs); piece !== undefined; piece = sending.next(nowMs)) {
    pieces.push([piece.offset, piece.bytes]);
  }
  return pieces;
}

describe("a snapshot that is sent", () => {
  test("begins with one question, and goes on from what the follower has, within the window", () => {
    const sending = sender();
    expect(drain(sending)).toEqual([[0, 0]]);
    sending.received(40, 0);
    expect(drain(sending)).toEqual([
      [40, 10],
      [50, 10],
      [60, 10],
    ]);
    sending.received(50, 0);
    expect(drain(sending)).toEqual([[70, 10]]);
    sending.received(95, 0);
    expect(drain(sending)).toEqual([[95, 5]]);
  });

  test("goes back when the follower has less, but only by an answer to a question", () => {
    const sending = sender();
    drain(sending);
    sending.received(40, 0);
    drain(sending);
    sending.received(10, 0);
    expect(drain(sending)).toEqual([]);
    sending.askAgain();
    expect(drain(sending)).toEqual([[40, 0]]);
    sending.received(10, 0);
    expect(drain(sending)).toEqual([
      [10, 10],
      [20, 10],
      [30, 10],
    ]);
  });

  test("expects something until it is installed, but not while it waits to ask again", () => {
    const sending = sender();
    expect(sending.unanswered).toBe(false);
    drain(sending);
    expect(sending.unanswered).toBe(true);
    sending.received(100, 0);
    expect(sending.unanswered).toBe(true);
    sending.refused(0);
    expect(sending.unanswered).toBe(false);
    expect(drain(sending, 299)).toEqual([]);
    expect(drain(sending, 300)).toHaveLength(1);
  });

  test("arrives, whatever is lost and whatever answers come late, and never has more on its way than the window", () => {
    const events = fc.array(fc.tuple(fc.constantFrom("deliver", "lose", "late", "ask"), fc.nat()), { maxLength: 60 });
    fc.assert(
      fc.property(events, (list) => {
        const sending = sender();
        let held = 0;
        const answers = [0];
        let onItsWay: [number, number][] = [];
        const deliver = ([offset, bytes]: [number, number]): void => {
          if (offset <= held) held = Math.max(held, offset + bytes);
          answers.push(held);
          sending.received(held, 0);
        };
        for (const [event, number] of list) {
          const pieces = drain(sending);
          for (const [offset, bytes] of pieces) expect(offset + bytes).toBeLessThanOrEqual(held + 35);
          onItsWay.push(...pieces);
          if (event === "deliver" && onItsWay[0] !== undefined) deliver(onItsWay.shift()!);
          if (event === "lose") onItsWay.shift();
          if (event === "late") sending.received(answers[number % answers.length] ?? 0, 0);
          if (event === "ask") sending.askAgain();
        }
        for (let i = 0; i < 30 && held < 100; i++) {
          onItsWay = drain(sending);
          if (onItsWay.length === 0) sending.askAgain();
          for (const piece of onItsWay) deliver(piece);
        }
        expect(held).toBe(100);
      }),
    );
  });
});
