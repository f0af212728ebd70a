import { describe, expect, test } from "bun:test";
import { LEADER_WAIT_MS } from "../../../src/engine/ingress.ts";
import { ReadBarriers } from "../../../src/engine/read-barriers.ts";

/** Read barriers, the questions that they put, and what became of the reads. */
function desk(seed = 100) {
  const barriers = new ReadBarriers(seed);
  const asked: number[] = [];
  const ends: (number | undefined)[] = [];
  return {
    barriers,
    asked,
    ends,
    read: (nowMs = 0) => barriers.add(nowMs, (index) => ends.push(index)),
    pump: (nowMs = 0, answer = true) => {
      barriers.pump(nowMs, (id) => {
        asked.push(id);
        return answer;
      });
    },
  };
}

describe("a read barrier", () => {
  test("shares one question with all of its turn, and ends when the state has got there", () => {
    const { barriers, asked, ends, read, pump } = desk();
    for (let i = 0; i < 3; i++) read();
    pump();
    expect(asked).toHaveLength(1);
    barriers.answered(asked[0]!, 9);
    barriers.applied(8);
    expect(ends).toEqual([]);
    barriers.applied(12);
    expect(ends).toEqual([12, 12, 12]);
    barriers.applied(13);
    expect(ends).toHaveLength(3);
  });

  test("does not join a question that was put before it came", () => {
    const { barriers, asked, ends, read, pump } = desk();
    read();
    pump();
    read();
    barriers.answered(asked[0]!, 1);
    barriers.applied(5);
    expect(ends).toHaveLength(1);
    pump();
    expect(asked).toHaveLength(2);
  });

  test("asks again when the question went to the wrong node, after a short rest", () => {
    const { barriers, asked, read, pump } = desk();
    read();
    pump(0);
    barriers.refused(asked[0]!, 0);
    pump(10);
    expect(asked).toHaveLength(1);
    pump(60);
    expect(asked).toHaveLength(2);
  });

  test("asks a new leader at once, and takes no answer to an old question", () => {
    const { barriers, asked, ends, read, pump } = desk();
    read();
    pump(0);
    barriers.leaderChanged();
    pump(1);
    barriers.answered(asked[0]!, 1);
    // Nor does a late refusal of it make anybody rest.
    barriers.refused(asked[0]!, 1);
    barriers.applied(100);
    expect(ends).toEqual([]);
    read(1);
    pump(1);
    expect(asked).toHaveLength(3);
  });

  test("asks again when no answer comes", () => {
    const { barriers, asked, read, pump } = desk();
    read();
    pump(0);
    barriers.sweep(400);
    pump(400);
    expect(asked).toHaveLength(1);
    barriers.sweep(600);
    pump(600);
    expect(asked).toHaveLength(2);
  });

  test("puts one question a turn when nobody can be asked", () => {
    const { asked, read, pump } = desk();
    read();
    pump(0, false);
    pump(1, false);
    expect(asked).toHaveLength(2);
  });

  test("ends without an index when no leader answers in time, wherever it waits", () => {
    const { barriers, asked, ends, read, pump } = desk();
    read();
    pump(0);
    barriers.answered(asked[0]!, 50);
    read();
    pump(0);
    read();
    for (let nowMs = 0; nowMs <= LEADER_WAIT_MS; nowMs += 100) barriers.sweep(nowMs);
    expect(ends).toEqual([undefined, undefined, undefined]);
    barriers.applied(100);
    expect(ends).toHaveLength(3);
  });

  test("of a process is not answered by what its predecessor asked", () => {
    const [before, after] = [desk(5_000_000), desk(9_000_000)];
    before.read();
    before.pump();
    after.read();
    after.pump();
    after.barriers.answered(before.asked[0]!, 1);
    after.barriers.applied(1);
    expect(after.ends).toEqual([]);
  });

  test("has ids that fit the wire, whatever the seed", () => {
    const { asked, read, pump } = desk(Number.MAX_SAFE_INTEGER);
    for (let i = 0; i < 3; i++) {
      read();
      pump();
    }
    for (const id of asked) expect(Number.isSafeInteger(id)).toBe(true);
    expect(new Set(asked).size).toBe(3);
  });
});
