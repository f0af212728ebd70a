import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import type { Program } from "../../../test/support/process-cluster.ts";
import { exitOnSignals } from "../clusters/on-exit.ts";
import { type Comparison, compare, type Effort, type Part, parts, QUICK, WHOLE } from "./comparison.ts";
import { figuresOf } from "./figures.ts";
import { markdownOf } from "./markdown.ts";

export interface CompareFlags {
  readonly quick: boolean;
  /** Names of parts, between commas; all where nothing is said. */
  readonly parts: string | undefined;
  /** Replaces what was measured of the parts in {@link RESULTS} and docs/performance.md. */
  readonly write: boolean;
  readonly json: string | undefined;
}

const root = join(import.meta.dir, "../../..");
const RESULTS = join(root, "bench/results/compare.json");
const PAGE = join(root, "docs/performance.md");
const BEGIN = "<!-- measured by `npm run bench:load -- compare --write` -->";
const END = "<!-- end of what was measured -->";

/** Ours beside its peers, those of them that this machine has. @returns undefined for a part that there is not */
export async function compareCommand(
  program: Program,
  flags: CompareFlags,
  changed: Partial<Effort>,
): Promise<Comparison | undefined> {
  const chosen = flags.parts?.split(",") ?? [...parts];
  if (!chosen.every((name): name is Part => (parts as readonly string[]).includes(name))) return undefined;
  exitOnSignals();
  const comparison = await compare(program, chosen, { ...(flags.quick ? QUICK : WHOLE), ...changed });
  console.log(`\n${markdownOf(comparison)}\n`);
  for (const { what, demanded, measured, met } of figuresOf(comparison)) {
    if (!met && !flags.quick) console.log(`MISSED: ${what}: ${measured.toFixed(2)}, wanted ${demanded}`);
  }
  if (flags.json !== undefined) writeJson(flags.json, comparison);
  if (flags.write) writeResults(comparison);
  return comparison;
}

function writeResults(comparison: Comparison): void {
  const before = existsSync(RESULTS) ? (JSON.parse(readFileSync(RESULTS, "utf8")) as Comparison) : {};
  const merged = { ...before, ...comparison };
  writeJson(RESULTS, merged);
  const page = readFileSync(PAGE, "utf8");
  writeFileSync(PAGE, withMeasured(page, markdownOf(merged)));
}

/** The page with what stands between the two marks replaced. @throws when it has no marks */
export function withMeasured(page: string, measured: string): string {
  const begin = page.indexOf(BEGIN);
  const end = page.indexOf(END);
  if (begin < 0 || end < begin)
    throw new Error(`no place for the figures: it begins with ${BEGIN} and ends with ${END}`);
  return `${page.slice(0, begin + BEGIN.length)}\n\n${measured}\n\n${page.slice(end)}`;
}

function writeJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`);
}
