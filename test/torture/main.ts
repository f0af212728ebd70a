/**
 * `npm run torture -- --minutes M`: a cluster of real processes under load and faults, whose history is then judged.
 * Ends with 0 only without a violation. docs/testing.md says what is done, what is judged, how to read a history.
 */
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { defaultProgram, sourceProgram } from "../support/process-cluster.ts";
import { namespacesMissing } from "../support/namespace-network.ts";
import { SmallDisk } from "../support/small-disk.ts";
import { everyFault, faultKinds } from "./faults.ts";
import { readHistory } from "./history.ts";
import { sweepLeftovers } from "./run-folders.ts";
import { summaryOf } from "./summary.ts";
import { torture, type TortureOptions } from "./torture.ts";
import { verdictOn } from "./verdict.ts";

const USAGE = `npm run torture -- [--minutes 2] [--nodes 3] [--clients 16] [--seed N]
                   [--faults ${everyFault.join(",")}]
                   [--network proxy|namespaces] [--program source|PATH] [--keep DIR]
                   [--small-snapshots] [--plant FILE]
npm run torture -- --judge DIR/history.jsonl      judge a history once more`;

const smallSnapshots = join(import.meta.dir, "../support/small-snapshots.ts");

const options = readOptions();
if (typeof options === "string") rejudge(options);
else await run(options);

function readOptions(): Omit<TortureOptions, "signal" | "log"> | string {
  try {
    const { values } = parseArgs({
      options: {
        minutes: { type: "string", default: "2" },
        nodes: { type: "string", default: "3" },
        clients: { type: "string", default: "16" },
        seed: { type: "string", default: String(Math.floor(Math.random() * 1_000_000)) },
        faults: { type: "string", default: faultKinds.join(",") },
        network: { type: "string", default: "proxy" },
        program: { type: "string" },
        keep: { type: "string" },
        judge: { type: "string" },
        "small-snapshots": { type: "boolean", default: false },
        plant: { type: "string" },
      },
    });
    if (values.judge !== undefined) return values.judge;
    const { network, program } = values;
    const wanted = values.faults.split(",").filter((kind) => kind !== "");
    const known = everyFault.filter((kind) => wanted.includes(kind));
    if (known.length !== wanted.length) return refuseUsage(`--faults: out of ${everyFault.join(", ")}`);
    const faults = known.filter((kind) => kind !== "disk-full" || SmallDisk.available);
    if (faults.length < known.length) console.warn("SKIPPED disk-full: needs root and the right to mount a tmpfs.");
    if (network !== "proxy" && network !== "namespaces") return refuseUsage("--network: proxy or namespaces");
    const preloads = [
      ...(values["small-snapshots"] ? [smallSnapshots] : []),
      ...(values.plant === undefined ? [] : [resolve(values.plant)]),
    ];
    // What is loaded before the program changes its modules, which an executable keeps to itself.
    if (preloads.length > 0 && program !== undefined && program !== "source") {
      return refuseUsage("--small-snapshots and --plant need the sources: --program source");
    }
    const programs = { source: sourceProgram, default: preloads.length > 0 ? sourceProgram : defaultProgram() };
    return {
      minutes: positive("minutes", values.minutes),
      nodes: positive("nodes", values.nodes, 7),
      clients: positive("clients", values.clients, 1_000),
      seed: positive("seed", values.seed, Number.MAX_SAFE_INTEGER, 0),
      ...{ faults, network, preloads, keep: values.keep },
      program: program === undefined ? programs.default : program === "source" ? programs.source : [program],
    };
  } catch (error) {
    return refuseUsage(error instanceof Error ? error.message : String(error));
  }
}

/** A number; a whole one where `max` says that it counts something. */
function positive(name: string, text: string, max?: number, min = max === undefined ? 0.01 : 1): number {
  const value = Number(text);
  const fits = value >= min && value <= (max ?? 100_000) && (max === undefined || Number.isInteger(value));
  return fits ? value : refuseUsage(`--${name}: "${text}" is not possible`);
}

function refuseUsage(why: string): never {
  console.error(`${why}\n\n${USAGE}`);
  process.exit(64);
}

function rejudge(path: string): never {
  const records = readHistory(path);
  const violations = verdictOn(records);
  console.log(summaryOf({ records, violations, keptAt: undefined }));
  process.exit(violations.length === 0 ? 0 : 1);
}

async function run(chosen: Omit<TortureOptions, "signal" | "log">): Promise<never> {
  const missing = chosen.network === "namespaces" ? namespacesMissing() : undefined;
  if (missing !== undefined) refuseUsage(`--network namespaces: ${missing}`);
  for (const left of sweepLeftovers()) console.log(`removed what a run had left: ${left}`);
  const { minutes, nodes, clients, network, program, seed } = chosen;
  console.log(
    `${program.join(" ")}: ${nodes} nodes, ${clients} clients, ${network}, ${minutes} minutes, --seed ${seed}`,
  );

  const interrupted = new AbortController();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(signal, () => interrupted.abort());
  try {
    const report = await torture({ ...chosen, log: console.log, signal: interrupted.signal });
    console.log(summaryOf(report));
    process.exit(report.violations.length === 0 ? 0 : 1);
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(interrupted.signal.aborted ? 130 : 1);
  }
}
