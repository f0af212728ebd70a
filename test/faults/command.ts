import { buildCommand, buildRouteMap } from "@stricli/core";
import type { CliContext } from "../../src/cli/context.ts";
import { exitCode } from "../../src/cli/exit-code.ts";
import { jsonText } from "../../src/cli/json-flag.ts";
import { type SimFlags, simFlags } from "../../src/cli/sim/flags.ts";
import { runSeeds } from "../../src/cli/sim/run-seeds.ts";
import { StartError } from "../../src/kernel/start-error.ts";
import { runSeed } from "../../src/sim/run-seed.ts";
import { type Plant, runPlanted } from "./plant.ts";
import { plants } from "./plants.ts";

interface PlantFlags extends SimFlags {
  readonly plant?: NamedPlant;
  readonly list: boolean;
}

interface NamedPlant {
  readonly name: string;
  readonly plant: Plant;
}

/** Seeds that must be enough to find a planted fault, where nothing else is said. */
const PLANT_SEEDS = 2_000;

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
      list: { kind: "boolean", default: false, brief: "Print the planted faults", withNegated: false },
    },
  },
  func({ plant: planted, list, ...flags }) {
    const write = (line: string): void => this.process.stdout.write(`${line}\n`);
    if (list) {
      this.process.stdout.write(flags.json ? plantsJson() : plantsText());
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

function parsePlant(name: string): NamedPlant {
  const plant = Object.hasOwn(plants, name) ? plants[name] : undefined;
  if (plant === undefined) throw new StartError(`There is no planted fault "${name}": --list prints them.`);
  return { name, plant };
}
