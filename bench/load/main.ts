import { existsSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { executableProgram, sourceProgram } from "../../test/support/process-cluster.ts";
import { compareCommand } from "./compare/command.ts";
import { benchEndurance } from "./endurance.ts";
import { benchFailover } from "./failover.ts";
import { benchIdle } from "./idle.ts";
import { benchLocks } from "./locks.ts";
import { machineFacts } from "./machine.ts";
import { queueCommand } from "./queue/command.ts";
import type { Summary } from "./samples.ts";
import { benchRestart } from "./restart.ts";
import { benchRolling } from "./rolling.ts";
import { benchSaturation } from "./saturation.ts";
import { benchSnapshots } from "./snapshots.ts";

const USAGE = `npm run bench:load -- compare [--quick] [--parts rates,failovers,scale] [--runs 5] [--seconds 2] [--samples 10] [--write] [--json FILE]
npm run bench:load -- queue [--quick] [--outstanding 1,64,256] [--batches 1,10,100] [--bodies 100,10000] [--queues 1] [--runs 3] [--seconds 2] [--json FILE]
npm run bench:load -- locks|failover|rolling|saturation|idle|endurance|restart|snapshots [--size 3] [--runs 5] [--seconds 4] [--kills 20] [--rounds 2] [--outstanding 1,64,256] [--operations 5000000] [--holds 200000] [--json FILE]`;

const { values, positionals } = readArguments();

function readArguments() {
  try {
    return parseArgs({
      allowPositionals: true,
      options: {
        size: { type: "string", default: "3" },
        runs: { type: "string" },
        seconds: { type: "string" },
        kills: { type: "string", default: "20" },
        rounds: { type: "string", default: "2" },
        outstanding: { type: "string" },
        operations: { type: "string" },
        holds: { type: "string", default: "200000" },
        samples: { type: "string" },
        batches: { type: "string" },
        bodies: { type: "string" },
        queues: { type: "string" },
        parts: { type: "string" },
        quick: { type: "boolean", default: false },
        write: { type: "boolean", default: false },
        json: { type: "string" },
      },
    });
  } catch {
    return refuseUsage();
  }
}

function refuseUsage(): never {
  console.error(USAGE);
  process.exit(64);
}

// The executable is what users run; without one the sources do.
const program = existsSync(executableProgram[0] ?? "") ? executableProgram : sourceProgram;
const size = Number(values.size);
const seconds = values.seconds === undefined ? undefined : Number(values.seconds);
const outstanding = numbers(values.outstanding);

function numbers(list: string | undefined): number[] | undefined {
  return list?.split(",").map(Number);
}

async function run(scenario: string | undefined): Promise<Record<string, Summary>> {
  switch (scenario) {
    case "locks":
      return benchLocks({
        program,
        size,
        outstanding: outstanding ?? [1, 64, 256],
        runs: Number(values.runs ?? 5),
        seconds: seconds ?? 4,
      });
    case "failover":
      return benchFailover({ program, size, kills: Number(values.kills) });
    case "rolling":
      return benchRolling({ program, size, rounds: Number(values.rounds), outstanding: outstanding?.[0] ?? 64 });
    case "saturation":
      return benchSaturation({ program, size, seconds: seconds ?? 600, outstanding: outstanding?.[0] ?? 64 });
    case "endurance": {
      const operations = Number(values.operations ?? 5_000_000);
      return benchEndurance({ program, size, operations, outstanding: outstanding?.[0] ?? 64 });
    }
    case "restart": {
      const operations = Number(values.operations ?? 400_000);
      return benchRestart({
        program,
        size,
        operations,
        holds: Number(values.holds),
        restarts: Number(values.runs ?? 6),
      });
    }
    case "snapshots":
      return benchSnapshots({ program, size, holds: Number(values.holds), snapshots: Number(values.runs ?? 20) });
    case "idle":
      return benchIdle({ program, size, seconds: seconds ?? 30 });
    default:
      return refuseUsage();
  }
}

async function runComparison(): Promise<never> {
  const { runs, samples } = values;
  const comparison = await compareCommand(
    program,
    { quick: values.quick, parts: values.parts, write: values.write, json: values.json },
    {
      ...(runs !== undefined && { rounds: Number(runs) }),
      ...(seconds !== undefined && { seconds }),
      ...(samples !== undefined && { samples: Number(samples) }),
      ...(outstanding !== undefined && { outstanding }),
    },
  );
  // A client library of a peer keeps timers for a minute after it was closed.
  return comparison === undefined ? refuseUsage() : process.exit(0);
}

async function runQueue(): Promise<never> {
  const { runs } = values;
  const [batches, bodies, queues] = [numbers(values.batches), numbers(values.bodies), numbers(values.queues)];
  await queueCommand(
    program,
    { quick: values.quick, json: values.json },
    {
      ...(runs !== undefined && { rounds: Number(runs) }),
      ...(seconds !== undefined && { seconds }),
      ...(outstanding !== undefined && { outstanding }),
      ...(batches !== undefined && { batches }),
      ...(bodies !== undefined && { bodies }),
      ...(queues !== undefined && { queues }),
    },
  );
  // As above: clients of peers keep timers.
  return process.exit(0);
}

const facts = machineFacts();
console.log(`${program === executableProgram ? "executable" : "sources"}, ${size} nodes; ${JSON.stringify(facts)}`);
if (positionals[0] === "compare") await runComparison();
if (positionals[0] === "queue") await runQueue();
const results = await run(positionals[0]);
if (values.json !== undefined) {
  const measured = { scenario: positionals[0], at: new Date().toISOString(), nodes: size, machine: facts, results };
  writeFileSync(values.json, `${JSON.stringify(measured, null, 2)}\n`);
}
