import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../../src/cli/context.ts";
import { exitCode } from "../../src/cli/exit-code.ts";
import { jsonText } from "../../src/cli/json-flag.ts";
import { type SimFlags, simFlags } from "../../src/cli/sim/flags.ts";
import { runSeeds } from "../../src/cli/sim/run-seeds.ts";
import { StartError } from "../../src/kernel/start-error.ts";
import { runSeed } from "../../src/sim/run-seed.ts";
import { findPlanted, PLANT_SEEDS } from "./find-planted.ts";
import { type Plant, type Plants, runPlanted } from "./plant.ts";
import { plants } from "./plants.ts";
import { lineOf, readTable, writeTable } from "./table.ts";

interface PlantFlags extends SimFlags {
  readonly plant?: NamedPlant;
  readonly list: boolean;
  readonly table: boolean;
}

interface NamedPlant {
  readonly name: string;
  readonly plant: Plant;
}

const TESTING_PAGE = join(import.meta.dir, "..", "..", "docs", "testing.md");

/** `mufakat sim`, and what only a checkout has: planted faults. */
const simulateCommand = buildCommand<PlantFlags, [], CliContext>({
  docs: {
    brief: "Run whole clusters in a deterministic simulation, with planted faults if asked",
    fullDescription:
      "As `mufakat sim`; and with --plant a fault is planted in the code that runs, to see that the checks find it.\n\n" +
      "Exit codes: 0 all runs are right, 1 one is not. With --plant: 0 the planted fault was found, 1 it was not.",
  },
  parameters: {
    flags: {
      ...simFlags,
      seeds: { ...simFlags.seeds, brief: `How many, one after the other (default 1, with --plant ${PLANT_SEEDS})` },
      plant: { kind: "parsed", parse: parsePlant, optional: true, brief: "Plant a fault, to see that it is found" },
      table: {
        kind: "boolean",
        default: false,
        brief: "Find every planted fault, or the one of --plant, and write docs/testing.md anew",
        withNegated: false,
      },
      list: { kind: "boolean", default: false, brief: "Print the planted faults", withNegated: false },
    },
  },
  func({ plant: planted, list, table, ...flags }) {
    const write = (line: string): void => this.process.stdout.write(`${line}\n`);
    if (list) {
      this.process.stdout.write(flags.json ? plantsJson() : plantsText());
      return;
    }
    if (table) {
      if (!tabulate(planted === undefined ? plants : { [planted.name]: planted.plant }, write)) {
        this.process.exitCode = exitCode.failure;
      }
      return;
    }
    const command = "npm run sim --";
    if (planted === undefined) {
      if (runSeeds(flags, { run: (options) => runSeed(options), command, write }))
        this.process.exitCode = exitCode.failure;
      return;
    }
    const { name, plant } = planted;
    const found = runSeeds(
      { ...flags, seeds: flags.seeds ?? PLANT_SEEDS },
      { run: (options) => runPlanted(options, name, plant), command, write },
    );
    if (found === (plant.harmless === true)) this.process.exitCode = exitCode.failure;
  },
});

/** In place of all commands of the program. */
export const simRoutes = buildRouteMap({
  routes: { sim: simulateCommand },
  docs: { brief: "The simulator and what is planted in it" },
});

/** Measures each, and keeps the lines of the others. @returns whether all were found */
function tabulate(measured: Plants, write: (line: string) => void): boolean {
  const lines = readTable(readFileSync(TESTING_PAGE, "utf8"));
  let foundAll = true;
  for (const [name, plant] of Object.entries(measured)) {
    const seeds = plant.harmless === true ? undefined : findPlanted(name, plant);
    const line = lineOf(name, plant, seeds);
    foundAll &&= seeds !== undefined || plant.harmless === true;
    lines.set(name, line);
    write(`${name}: ${line.check}, ${seeds ?? "not found"}`);
    writeFileSync(TESTING_PAGE, writeTable(readFileSync(TESTING_PAGE, "utf8"), lines, plants));
  }
  return foundAll;
}

function plantsText(): string {
  const lines = Object.entries(plants).map(([name, { rules, breaks }]) => {
    return `${name.padEnd(28)} ${rules.join(", ")}: ${breaks}\n`;
  });
  return lines.join("");
}

function plantsJson(): string {
  const shown = Object.entries(plants).map(([name, { rules, breaks, harmless }]) => ({
    name,
    rules,
    breaks,
    harmless: harmless === true,
  }));
  return jsonText({ plants: shown });
}

function parsePlant(name: string): NamedPlant {
  const plant = Object.hasOwn(plants, name) ? plants[name] : undefined;
  if (plant === undefined) throw new StartError(`There is no planted fault "${name}": --list prints them.`);
  return { name, plant };
}
