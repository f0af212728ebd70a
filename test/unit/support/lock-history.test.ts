import { describe, expect, test } from "bun:test";
import { faultsOf, type Hold } from "../../support/lock-history.ts";

/** A hold from `at` to `at + 10`, asked for 5 before. */
function hold(at: number, token: number, mode: Hold["mode"] = "exclusive", changed: Partial<Hold> = {}): Hold {
  const times = { invokedMs: at - 5, grantedMs: at, releasedMs: at + 10 };
  return { lock: "l", mode, owner: `o${at}`, token, ...times, ...changed };
}

describe("the check of a history of holds", () => {
  test("takes holds one after the other, and readers side by side", () => {
    expect(faultsOf([hold(10, 1), hold(30, 2, "shared"), hold(32, 2, "shared"), hold(50, 3)])).toEqual([]);
  });

  test("takes tokens in any order for requests that ran at the same time", () => {
    const waited = hold(30, 1, "exclusive", { invokedMs: 1, grantedMs: 18, releasedMs: 19 });
    expect(faultsOf([hold(20, 2), waited])).toEqual([]);
  });

  test("finds a token that does not grow", () => {
    expect(faultsOf([hold(10, 2), hold(40, 2)])).toHaveLength(1);
    expect(faultsOf([hold(10, 2), hold(40, 1, "shared")])).toHaveLength(1);
    expect(faultsOf([hold(10, 2, "shared"), hold(40, 2)])).toHaveLength(1);
    expect(faultsOf([hold(10, 3, "shared"), hold(40, 2, "shared")])).toHaveLength(1);
  });

  test("finds two that hold at once what only one may", () => {
    expect(faultsOf([hold(10, 1), hold(19, 2)])).toEqual([
      "o19's exclusive l (token 2) was granted while o10's exclusive l (token 1) was held",
    ]);
    expect(faultsOf([hold(10, 1, "shared"), hold(19, 2)])).toHaveLength(1);
    expect(faultsOf([hold(10, 1), hold(19, 2, "shared")])).toHaveLength(1);
    expect(faultsOf([hold(10, 1, "shared", { releasedMs: 99 }), hold(12, 1, "shared"), hold(40, 2)])).toHaveLength(1);
  });

  test("keeps locks apart", () => {
    expect(faultsOf([hold(10, 1), hold(11, 1, "exclusive", { lock: "m" })])).toEqual([]);
  });
});
