import { buildCommand } from "@stricli/core";
import { StartError } from "../kernel/start-error.ts";
import { plants } from "../sim/plants.ts";
import { runSeed, type SimResult } from "../sim/run-seed.ts";
import { kebabCase } from "./configuration/definitions.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";

interface SimFlags {
  readonly seed: number;
  readonly seeds: number;
  readonly nodes?: number;
  readonly events?: number;
  readonly plant?: string;
  readonly list: boolean;
  readonly json: boolean;
}

/** Lines of the trace that a failure shows. */
const SHOWN_LINES = 60;

export const simCommand = buildCommand<SimFlags, [], CliContext>({
  docs: {
    brief: "Run whole clusters in a deterministic simulation",
    fullDescription:
      "Runs clusters of the production code over a simulated network, disk and clock that fail at random, checks every\n" +
      "event, then mends everything and demands that the cluster is whole again. The same seed gives the same run.\n\n" +
      "Exit codes: 0 all runs are right, 1 one is not. With --plant: 0 the planted fault was found, 1 it was not.",
  },
  parameters: {
    flags: {
      seed: countFlag("First seed", "0"),
      seeds: countFlag("How many seeds, one after the other", "1"),
      nodes: { kind: "parsed", parse: parseNodes, optional: true, brief: "1, 3, 5 or 7 (default: by the seed)" },
      events: { kind: "parsed", parse: parseCount, optional: true, brief: "Events until all is mended" },
      plant: {
        kind: "parsed",
        parse: parsePlant,
        optional: true,
        brief: "Plant a fault by name, to see that it is found",
      },
      list: { kind: "boolean", default: false, brief: "Print the planted faults", withNegated: false },
      json: jsonFlag("As JSON: one line for each run"),
    },
  },
  func(flags) {
    const write = (line: string): void => this.process.stdout.write(`${line}\n`);
    if (flags.list) {
      this.process.stdout.write(flags.json ? plantsJson() : plantsText());
      return;
    }
    const failed = flags.json ? runSeedsAsJson(flags, write) : runSeeds(flags, write);
    const right = flags.plant === undefined || plants[flags.plant]?.harmless === true ? !failed : failed;
    if (!right) this.process.exitCode = exitCode.failure;
  },
});

/** @returns whether a check failed: the runs end there */
function runSeeds({ seed: first, seeds, nodes, events, plant }: SimFlags, write: (line: string) => void): boolean {
  const startMs = performance.now();
  let total = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const result = runSeed({ seed, nodes, events, plant });
    total += result.figures.events;
    write(summary(result));
    if (result.failure === undefined) continue;
    for (const line of result.failure.trace.slice(-SHOWN_LINES)) write(line);
    write(result.failure.stack);
    write(`\nreplay: npm run mufakat -- ${result.failure.replay}`);
    write(`hash ${result.fingerprint}`);
    return true;
  }
  const perSecond = Math.round((total / (performance.now() - startMs)) * 1000);
  write(`${seeds} ${seeds === 1 ? "run" : "runs"}, ${total} events, ${perSecond} events/s: no check failed`);
  return false;
}

/** A line for each run as it ends, so that many seeds need no memory. @returns whether a check failed */
function runSeedsAsJson(
  { seed: first, seeds, nodes, events, plant }: SimFlags,
  write: (line: string) => void,
): boolean {
  for (let seed = first; seed < first + seeds; seed++) {
    const { figures, fingerprint, failure } = runSeed({ seed, nodes, events, plant });
    const { faults, ends, ...counts } = figures;
    const shown = Object.entries(counts).map(([name, count]) => [kebabCase(name).replaceAll("-", "_"), count]);
    const run = { seed, hash: fingerprint, ...Object.fromEntries(shown), faults, ends: Object.fromEntries(ends) };
    write(JSON.stringify({ ...run, failure: failure ?? null }));
    if (failure !== undefined) return true;
  }
  return false;
}

function plantsText(): string {
  const lines = Object.entries(plants).map(([name, { breaks }]) => `${name.padEnd(24)} ${breaks}\n`);
  return lines.join("");
}

function plantsJson(): string {
  const shown = Object.entries(plants).map(([name, { breaks, harmless }]) => ({
    name,
    breaks,
    harmless: harmless === true,
  }));
  return jsonText({ plants: shown });
}

function summary({ options, figures, fingerprint, failure }: SimResult): string {
  const { nodes, virtualMs, events, elections, entries, grants } = figures;
  const passed = figures.undecided === 0 ? "ok" : `ok, but ${figures.undecided} undecided`;
  const outcome = failure === undefined ? passed : `FAILED ${failure.message}`;
  const seconds = (virtualMs / 1000).toFixed(1);
  return `seed ${options.seed}: ${nodes} nodes, ${seconds} s, ${events} events, ${elections} elections, ${entries} entries, ${grants} grants, hash ${fingerprint}: ${outcome}`;
}

function countFlag(brief: string, byDefault: string) {
  return { kind: "parsed", parse: parseCount, default: byDefault, brief } as const;
}

function parseCount(input: string): number {
  const value = Number(input);
  if (/^\d+$/.test(input) && value < 2 ** 49) return value;
  throw new StartError(`"${input}" is not a number in 0…2^49.`);
}

function parseNodes(input: string): number {
  if (["1", "3", "5", "7"].includes(input)) return Number(input);
  throw new StartError(`A simulated cluster has 1, 3, 5 or 7 nodes, not "${input}".`);
}

function parsePlant(input: string): string {
  if (Object.hasOwn(plants, input)) return input;
  throw new StartError(`There is no planted fault "${input}": --list prints them.`);
}
