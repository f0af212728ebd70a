import { describe, expect, setDefaultTimeout, test } from "bun:test";
import fc from "fast-check";
import { linearize } from "../../../../src/sim/checks/linearizability/search.ts";
import { isLinearizable } from "./brute-force.ts";
import { never, read, type RegisterOperation, registerModel, swap, write } from "./register.ts";

// The machine may be busy.
setDefaultTimeout(60_000);

const BUDGET = 100_000;

function verdictOf(...operations: readonly RegisterOperation[]): string {
  return linearize(registerModel, operations, BUDGET).verdict;
}

describe("a history of a register", () => {
  test("that is sequential and right is linearizable, and so is an empty one", () => {
    expect(verdictOf()).toBe("linearizable");
    expect(verdictOf(write(1, 0, 1), read(1, 2, 3), swap(1, 2, true, 4, 5), read(2, 6, 7))).toBe("linearizable");
  });

  test("with a stale read is not", () => {
    expect(verdictOf(write(1, 0, 1), read(0, 2, 3))).toBe("violation");
    expect(verdictOf(write(1, 0, 4), read(1, 1, 2), read(0, 3, 5))).toBe("violation");
  });

  test("may read the old or the new value while the write is under way", () => {
    expect(verdictOf(write(1, 0, 4), read(0, 1, 2), read(1, 3, 5))).toBe("linearizable");
  });

  test("overlaps where one operation begins at the moment at which another ends", () => {
    expect(verdictOf(write(1, 0, 2), read(0, 2, 3))).toBe("linearizable");
  });

  test("with a lost update is not", () => {
    expect(verdictOf(swap(0, 1, true, 0, 5), swap(0, 2, true, 1, 4))).toBe("violation");
    expect(verdictOf(swap(0, 1, true, 0, 5), swap(0, 2, false, 1, 4))).toBe("linearizable");
  });

  test("may have an unknown outcome that takes effect late, or never", () => {
    const lost = write(1, 0, never);
    expect(verdictOf(lost, read(0, 10, 11), read(0, 12, 13))).toBe("linearizable");
    expect(verdictOf(lost, read(0, 10, 11), read(1, 12, 13))).toBe("linearizable");
  });

  test("lets an unknown outcome take effect once, and not before it was asked", () => {
    const lost = write(1, 5, never);
    expect(verdictOf(lost, read(0, 6, 7), read(1, 8, 9), read(0, 10, 11))).toBe("violation");
    expect(verdictOf(lost, read(1, 6, 7), write(2, 8, 9), read(1, 10, 11))).toBe("violation");
    expect(verdictOf(read(1, 0, 4), lost)).toBe("violation");
  });
});

describe("the search", () => {
  test("keeps an unknown outcome for later where another way to the same state has spent it", () => {
    const lost = [swap(0, 1, true, 3, never), write(0, 4, never), write(1, 14, never)];
    const answered = [write(0, 10, 12), swap(1, 1, true, 10, 13), swap(0, 1, true, 14, 17), read(0, 18, 21)];
    expect(verdictOf(...lost, ...answered)).toBe("linearizable");
  });
});

describe("a violation", () => {
  test("is explained by the shortest prefix that has no linearization", () => {
    const fine = [write(1, 0, 1), read(1, 2, 3), write(2, 4, 9), read(1, 5, 6)];
    const stale = read(1, 10, 12);
    const found = linearize(registerModel, [...fine, stale, read(7, 13, 14), write(9, 11, 20)], BUDGET);
    expect(found.verdict === "violation" && found.contradiction).toEqual({
      stuck: stale,
      linearization: [fine[0]!, fine[1]!, fine[3]!, fine[2]!],
      state: 2,
      pending: [write(9, 11, 20)],
    });
  });

  test("that takes too long to prove is undecided, and never fine", () => {
    const writes = Array.from({ length: 12 }, (_, i) => write(i + 1, 0, 100));
    const history = [...writes, read(50, 0, 100)];
    expect(linearize(registerModel, history, 1_000).verdict).toBe("undecided");
    expect(linearize(registerModel, history, 10_000_000).verdict).toBe("violation");
  });
});

describe("the search, with random histories,", () => {
  const time = fc.integer({ min: 0, max: 12 });
  const value = fc.integer({ min: 0, max: 3 });
  const operation = fc
    .tuple(fc.constantFrom("write", "read", "swap", "lost write", "lost swap"), value, value, fc.boolean(), time, time)
    .map(([kind, one, other, swapped, from, length]): RegisterOperation => {
      if (kind === "read") return read(one, from, from + length);
      const until = kind.startsWith("lost") ? never : from + length;
      return kind.endsWith("write") ? write(one, from, until) : swap(one, other, swapped, from, until);
    });

  test("says what trying every order says, for any short history", () => {
    let violations = 0;
    fc.assert(
      fc.property(fc.array(operation, { maxLength: 7 }), (history) => {
        const expected = isLinearizable(registerModel, history) ? "linearizable" : "violation";
        if (expected === "violation") violations++;
        expect(verdictOf(...history)).toBe(expected);
      }),
      { numRuns: 6_000 },
    );
    expect(violations).toBeGreaterThan(500);
  });

  test("accepts whatever one register did, however its operations overlap", () => {
    const steps = fc.array(fc.tuple(operation, fc.integer({ min: 0, max: 40 }), fc.integer({ min: 0, max: 40 })), {
      maxLength: 60,
    });
    fc.assert(
      fc.property(steps, (executed) => {
        let state = registerModel.initial;
        const history = executed.map(([{ input, returnedUs }, before, after], i): RegisterOperation => {
          const swapped = input.type === "swap" && input.from === state;
          const output = input.type === "read" ? state : input.type === "write" || swapped;
          state = input.type === "write" ? input.value : input.type === "swap" && swapped ? input.to : state;
          const asked = { input, invokedUs: 10 * i - before };
          // What happened late, to whoever does not wait for it any more, is asked for much earlier.
          if (returnedUs === never)
            return { ...asked, invokedUs: asked.invokedUs - 100, output: undefined, returnedUs };
          return { ...asked, output, returnedUs: 10 * i + after };
        });
        expect(verdictOf(...history)).toBe("linearizable");
      }),
      { numRuns: 1_000 },
    );
  });
});
