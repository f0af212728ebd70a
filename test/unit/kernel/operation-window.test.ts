import { describe, expect, test } from "bun:test";
import { OperationWindow } from "../../../src/kernel/operation-window.ts";

describe("OperationWindow", () => {
  test("an operation is new until its result is recorded, then seen, and stale below the floor", () => {
    const window = new OperationWindow<string>();
    expect(window.classify(5, 1, 100)).toBe("new");
    window.record(5, "done");
    expect(window.classify(5, 1, 100)).toBe("seen");
    expect(window.result(5)).toBe("done");
    window.raiseFloor(6);
    expect(window.classify(5, 1, 100)).toBe("stale");
    expect(window.result(5)).toBeUndefined();
  });

  test("a rising floor forgets what is below and keeps the rest", () => {
    const window = new OperationWindow<number>();
    for (let sequence = 1; sequence <= 10; sequence++) window.record(sequence, sequence);
    window.raiseFloor(4);
    expect([...window.entries()].map(([sequence]) => sequence)).toEqual([4, 5, 6, 7, 8, 9, 10]);
    window.raiseFloor(2 ** 50);
    expect(window.size).toBe(0);
  });

  test("the floor never falls", () => {
    const window = new OperationWindow<number>();
    window.raiseFloor(9);
    window.raiseFloor(3);
    expect(window.floor).toBe(9);
  });

  test("a result below the floor is not kept", () => {
    const window = new OperationWindow<number>();
    window.raiseFloor(9);
    window.record(8, 8);
    expect(window.size).toBe(0);
  });

  test("beyond the width that counts from the proposed floor an operation is refused", () => {
    const window = new OperationWindow<number>();
    expect(window.classify(109, 10, 100)).toBe("new");
    expect(window.classify(110, 10, 100)).toBe("beyond");
    window.raiseFloor(50);
    expect(window.classify(110, 10, 100)).toBe("beyond");
  });
});
