import { PLANT_SEEDS } from "./find-planted.ts";
import type { Plant, Plants } from "./plant.ts";

/** One line of the table in docs/testing.md. */
export interface FoundLine {
  readonly name: string;
  readonly rules: string;
  readonly breaks: string;
  readonly check: string;
  /** Of so many seeds the last one showed it; undefined: none did. */
  readonly seeds: number | undefined;
}

const HEAD = "| planted fault | rules | what it breaks | found by | after seeds |\n| --- | --- | --- | --- | --- |\n";
const LINES = /^\| planted fault \|.*\n(?:\|.*\n)+/m;
const NOT_FOUND = `not within ${PLANT_SEEDS}`;
/** A harmless one keeps all promises. */
const NOTHING = "nothing: it is allowed";

export function lineOf(name: string, plant: Plant, seeds: number | undefined): FoundLine {
  const { rules, breaks, classic, check } = plant;
  const told = classic === undefined ? breaks : `${breaks} (*${classic}*)`;
  return { name, rules: rules.join(", "), breaks: told, check: check ?? NOTHING, seeds };
}

/** The lines of the table in the page, by the name of the fault. */
export function readTable(page: string): Map<string, FoundLine> {
  const [table = ""] = LINES.exec(page) ?? [];
  const lines = table.split("\n").slice(2, -1).map(parseLine);
  return new Map(lines.map((line) => [line.name, line]));
}

/** The page with other lines in its table, in the order of the plants. */
export function writeTable(page: string, lines: ReadonlyMap<string, FoundLine>, plants: Plants): string {
  if (!LINES.test(page)) throw new Error("the page has no table of planted faults");
  const kept = Object.keys(plants).flatMap((name) => lines.get(name) ?? []);
  return page.replace(LINES, () => HEAD + kept.map(lineText).join(""));
}

function lineText({ name, rules, breaks, check, seeds }: FoundLine): string {
  const after = check === NOTHING ? "" : (seeds ?? NOT_FOUND);
  return `| \`${name}\` | ${rules} | ${breaks} | ${check} | ${after} |\n`;
}

function parseLine(line: string): FoundLine {
  const [, name = "", rules = "", breaks = "", check = "", after = ""] = line.split("|").map((cell) => cell.trim());
  return {
    name: name.replaceAll("`", ""),
    rules,
    breaks,
    check,
    seeds: /^\d+$/.test(after) ? Number(after) : undefined,
  };
}
