import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { classics } from "../../faults/classics.ts";
import { PLANT_SEEDS } from "../../faults/find-planted.ts";
import { plants } from "../../faults/plants.ts";
import { rules } from "../../faults/rules.ts";
import { lineOf, readTable, writeTable } from "../../faults/table.ts";
import { unplantedClassics, unplantedRules } from "../../faults/unplanted.ts";

const root = join(import.meta.dir, "..", "..", "..");
const page = readFileSync(join(root, "docs", "testing.md"), "utf8");
const table = readTable(page);

describe("planted faults", () => {
  test("break every rule and are every classic bug, or it is said why not", () => {
    const broken = new Set(Object.values(plants).flatMap((plant) => plant.rules));
    expect(rules.filter((rule) => broken.has(rule) === Object.hasOwn(unplantedRules, rule))).toEqual([]);
    const planted = new Set(Object.values(plants).map(({ classic }) => classic));
    expect(classics.filter((bug) => planted.has(bug) === Object.hasOwn(unplantedClassics, bug))).toEqual([]);
  });

  test("name the check that must find them, unless they are harmless", () => {
    const wrong = Object.entries(plants).filter(
      ([, { check, harmless }]) => (check === undefined) !== (harmless === true),
    );
    expect(wrong.map(([name]) => name)).toEqual([]);
  });

  test("each have a line in docs/testing.md that is true, found within the seeds that are allowed, and no other has one", () => {
    expect([...table.keys()]).toEqual(Object.keys(plants));
    for (const [name, plant] of Object.entries(plants)) {
      const seeds = table.get(name)?.seeds;
      expect(table.get(name)).toEqual(lineOf(name, plant, seeds));
      if (plant.harmless !== true) expect(seeds).toBeLessThanOrEqual(PLANT_SEEDS);
    }
  });

  test("that are none are explained in docs/testing.md", () => {
    const reasons = { ...unplantedRules, ...unplantedClassics };
    expect(Object.entries(reasons).filter(([what, why]) => !page.includes(`| ${what} | ${why} |`))).toEqual([]);
  });
});

describe("the table of planted faults", () => {
  const empty =
    "before\n\n| planted fault | rules | what it breaks | found by | after seeds |\n| --- | --- | --- | --- | --- |\n\nafter\n";
  const few = {
    "lost-vote": { rules: ["D1"], breaks: "a vote is lost", check: "one vote a term" },
    "odd-look": { rules: ["R1", "R2"], breaks: "it looks odd", harmless: true },
    "rare-one": { rules: ["R2"], breaks: "it is rare", check: "election safety", classic: classics[0] },
  } as const;
  const lines = [lineOf("lost-vote", few["lost-vote"], 7), lineOf("odd-look", few["odd-look"], undefined)];
  lines.push(lineOf("rare-one", few["rare-one"], undefined));

  test("is read as it was written, in the order of the faults", () => {
    const written = writeTable(empty, new Map(lines.toReversed().map((line) => [line.name, line])), few);
    expect([...readTable(written).values()]).toEqual(lines);
    expect(written).toStartWith("before\n\n| planted fault ");
    expect(written).toEndWith("|\n\nafter\n");
    expect(written).toContain("| not within 2000 |");
  });

  test("loses the lines of faults that are gone", () => {
    const all = writeTable(empty, new Map(lines.map((line) => [line.name, line])), few);
    const { "odd-look": kept } = few;
    expect([...readTable(writeTable(all, readTable(all), { "odd-look": kept })).keys()]).toEqual(["odd-look"]);
  });
});
