import { describe, expect, test } from "bun:test";
import { runSeed } from "../../../src/sim/run-seed.ts";
import { Totals } from "../../../src/sim/totals.ts";

describe("sums over simulated runs", () => {
  test("are of a thousand runs, and count a state once in however many runs it is", () => {
    const result = runSeed({ seed: 3, events: 2_000 });
    const { elections } = result.figures;
    expect(elections).toBeGreaterThan(0);
    const states = new Set(result.states).size;
    expect(states).toBeGreaterThan(0);
    const totals = new Totals();
    for (let run = 1; run <= 4; run++) totals.add(result);
    expect(totals.perThousand()).toMatchObject({ elections: elections * 1_000, "distinct states": states * 250 });
    expect(totals.text()).toStartWith(`per 1,000 runs: ${elections * 1_000} elections, `);
  });

  test("are none without runs", () => {
    expect(new Totals().perThousand()).toEqual({ "distinct states": 0 });
  });
});
