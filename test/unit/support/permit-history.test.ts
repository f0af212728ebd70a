import { expect, test } from "bun:test";
import { mostAtOnce, type PermitHold, permitFaultsOf } from "../../support/permit-history.ts";

function hold(owner: string, slots: number[], token: number, grantedMs: number, releasedMs: number): PermitHold {
  return { owner, slots, token, grantedMs, releasedMs };
}

test("permits handed on in turn are no fault", () => {
  const holds = [hold("a", [0, 1], 1, 0, 10), hold("b", [2], 2, 5, 20), hold("c", [0], 3, 10, 30)];
  expect(permitFaultsOf(holds, 3)).toEqual([]);
  expect(mostAtOnce(holds)).toBe(3);
});

test("a slot that two have at once, one that does not exist, and a token that does not rise are found", () => {
  expect(permitFaultsOf([hold("a", [0], 1, 0, 10), hold("b", [0], 2, 9, 20)], 3)).toHaveLength(1);
  expect(permitFaultsOf([hold("a", [3], 1, 0, 10)], 3)).toHaveLength(1);
  expect(permitFaultsOf([hold("a", [0], 2, 0, 10), hold("b", [0], 2, 10, 20)], 3)).toHaveLength(1);
});

test("more permits than there are is found, whatever their slots", () => {
  const holds = [hold("a", [0], 1, 0, 10), hold("b", [1], 2, 0, 10), hold("c", [], 3, 0, 10)];
  expect(permitFaultsOf(holds, 2)).toEqual([]);
  expect(permitFaultsOf([...holds, hold("d", [0, 1], 4, 5, 6)], 2).at(-1)).toBe("4 of 2 permits were held at once");
});
