import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { historyLines } from "../../../src/cli/sim/history-lines.ts";
import { runSeeds, type SimHost } from "../../../src/cli/sim/run-seeds.ts";
import { StartError } from "../../../src/kernel/start-error.ts";
import { runSeed } from "../../../src/sim/run-seed.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { checkAnswers } from "../../torture/checks/answers.ts";
import { type HistoryRecord, readHistory } from "../../torture/history.ts";
import { Holds } from "../../torture/holds.ts";
import { PermitHolds } from "../../torture/permit-holds.ts";
import { verdictOn } from "../../torture/verdict.ts";

const SEEDS = 25;
const EVENTS = 1_500;

function historyOf(seed: number): HistoryRecord[] {
  const { history } = runSeed({ seed, events: EVENTS });
  return historyLines(history, seed).map((line) => JSON.parse(line) as HistoryRecord);
}

const host: SimHost = { run: (options) => runSeed(options), command: "sim", write: () => {} };
const flags = { seed: 7, events: EVENTS, queues: false, json: false };

describe("the history of a simulated run", () => {
  test("is one that the judge of real histories reads, and finds linearizable and as documented", () => {
    const kinds = new Set<string>();
    for (let seed = 0; seed < SEEDS; seed++) {
      const records = historyOf(seed);
      const holds = new Holds(records);
      const odd = checkAnswers({ records, holds, permits: new PermitHolds(holds) });
      expect([seed, verdictOn(records), odd]).toEqual([seed, [], []]);
      expect(records.map(({ n }) => n)).toEqual(records.map((_, i) => i + 1));
      for (const record of records) kinds.add(record.type === "operation" ? record.operation : record.type);
    }
    const operations = ["locks.acquire", "locks.acquireAll", "locks.inspect", "locks.release"];
    const permits = ["semaphores.acquire", "semaphores.inspect", "semaphores.release"];
    const others = ["fences.check", "sessions.close", "sessions.open", "sessions.renew"];
    expect([...kinds].toSorted()).toEqual(["end", "fault", "run", ...operations, ...permits, ...others].toSorted());
  });

  test("shows a wrong answer to a judge who knows nothing else", () => {
    let found = 0;
    for (let seed = 0; seed < SEEDS; seed++) {
      const records = historyOf(seed);
      const grants = records.filter((record) => record.type === "operation" && record.operation === "locks.acquire");
      const last = grants.findLast((record) => record.type === "operation" && record.outcome === "ok");
      if (last?.type !== "operation") continue;
      // One machine gives no token twice; 0 it never gives.
      const wrong = { ...last, output: { ...last.output, fencing_token: 0 } };
      expect(verdictOn(records.map((record) => (record === last ? wrong : record)))).not.toEqual([]);
      found++;
    }
    expect(found).toBeGreaterThan(SEEDS / 2);
  });

  test("is the same each time, to the byte, and written whether or not a check fails", () => {
    using directory = temporaryDirectory();
    const [first, second] = ["first", "second"].map((name) => join(directory.path, name)) as [string, string];
    expect(runSeeds({ ...flags, history: first }, host)).toBe(false);
    const failure = { rule: "r", message: "m", stack: "", events: [], trace: [], replay: "" };
    const failing: SimHost = { ...host, run: (options) => ({ ...runSeed(options), failure }) };
    expect(runSeeds({ ...flags, history: second }, failing)).toBe(true);
    expect(readFileSync(second, "utf8")).toBe(readFileSync(first, "utf8"));
    expect(readHistory(first).at(-1)?.type).toBe("end");
  });

  test("is of one seed, and goes where it can be written", () => {
    const nowhere = join("no", "such", "folder", "history");
    expect(() => runSeeds({ ...flags, history: nowhere }, host)).toThrow(StartError);
    expect(() => runSeeds({ ...flags, seeds: 2, history: "nowhere" }, host)).toThrow(StartError);
  });
});
