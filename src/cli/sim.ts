import { buildCommand } from "@stricli/core";
import { runSeed } from "../sim/run-seed.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { type SimFlags, simFlags } from "./sim/flags.ts";
import { runSeeds } from "./sim/run-seeds.ts";

export const simCommand = buildCommand<SimFlags, [], CliContext>({
  docs: {
    brief: "Run whole clusters in a deterministic simulation",
    fullDescription:
      "Runs clusters of the production code over a simulated network, disk and clock that fail at random, checks every\n" +
      "event, then mends everything and demands that the cluster is whole again. The same seed gives the same run.\n\n" +
      "Exit codes: 0 all runs are right, 1 one is not.",
  },
  parameters: { flags: simFlags },
  func(flags) {
    const write = (line: string): void => this.process.stdout.write(`${line}\n`);
    const failed = runSeeds(flags, { run: (options) => runSeed(options), command: "mufakat sim", write });
    if (failed) this.process.exitCode = exitCode.failure;
  },
});
