import { writeFileSync } from "node:fs";
import { Hash } from "../../kernel/hash.ts";
import { StartError } from "../../kernel/start-error.ts";
import type { SimFailure, SimOptions, SimResult } from "../../sim/run-seed.ts";
import { Totals } from "../../sim/totals.ts";
import { kebabCase } from "../configuration/definitions.ts";
import { historyLines } from "./history-lines.ts";
import type { SimFlags } from "./flags.ts";

export interface SimHost {
  readonly run: (options: SimOptions) => SimResult;
  /** The command line in front of the arguments that replay a run. */
  readonly command: string;
  readonly write: (line: string) => void;
}

/** Runs one seed after the other, to the first whose checks fail. @returns whether one did */
export function runSeeds(flags: SimFlags, host: SimHost): boolean {
  const { history, seeds = 1 } = flags;
  if (history === undefined) return flags.json ? runAsJson(flags, host) : runAsText(flags, host);
  if (seeds !== 1) throw new StartError("A history is of one seed: leave --seeds out.");
  const run = (options: SimOptions): SimResult => {
    const result = host.run(options);
    save(history, `${historyLines(result.history, options.seed).join("\n")}\n`);
    return result;
  };
  return runSeeds({ ...flags, history: undefined }, { ...host, run });
}

function save(path: string, text: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw new StartError(`The history cannot be written: ${error instanceof Error ? error.message : String(error)}`);
  }
}

function runAsText(
  { seed: first, seeds = 1, nodes, events, queues }: SimFlags,
  { run, command, write }: SimHost,
): boolean {
  const startMs = performance.now();
  const hash = new Hash();
  const totals = new Totals();
  let total = 0;
  for (let seed = first; seed < first + seeds; seed++) {
    const result = run({ seed, nodes, events, queues });
    total += result.figures.events;
    totals.add(result);
    hash.text(result.fingerprint);
    write(summary(result));
    if (result.failure === undefined) continue;
    for (const line of reportOf(result.failure)) write(line);
    write(`\nreplay: ${command} ${result.failure.replay}`);
    write(`hash ${result.fingerprint}`);
    return true;
  }
  const perSecond = Math.round((total / (performance.now() - startMs)) * 1000);
  if (seeds > 1) write(totals.text());
  write(`${seeds} ${seeds === 1 ? "run" : "runs"}, ${total} events, ${perSecond} events/s: no check failed`);
  write(`hash ${hash.finish().toString(16).padStart(14, "0")}`);
  return false;
}

/** A line for each run as it ends, so that many seeds need no memory. */
function runAsJson({ seed: first, seeds = 1, nodes, events, queues }: SimFlags, { run, write }: SimHost): boolean {
  for (let seed = first; seed < first + seeds; seed++) {
    const { figures, fingerprint, failure } = run({ seed, nodes, events, queues });
    const { faults, ends, ...counts } = figures;
    const shown = Object.entries(counts).map(([name, count]) => [kebabCase(name).replaceAll("-", "_"), count]);
    const line = { seed, hash: fingerprint, ...Object.fromEntries(shown), faults, ends: Object.fromEntries(ends) };
    write(JSON.stringify({ ...line, failure: failure ?? null }));
    if (failure !== undefined) return true;
  }
  return false;
}

/** Of all that happened only what has to do with it: the run can be replayed, and `--json` has more. */
function reportOf({ rule, events, message, stack }: SimFailure): string[] {
  const isViolation = message.startsWith(rule);
  return ["what happened that has to do with it:", ...events, "", isViolation ? message : stack];
}

function summary({ options, figures, fingerprint, failure }: SimResult): string {
  const { nodes, virtualMs, events, elections, entries, grants } = figures;
  const passed = figures.undecided === 0 ? "ok" : `ok, but ${figures.undecided} undecided`;
  const outcome = failure === undefined ? passed : `FAILED ${failure.message}`;
  const seconds = (virtualMs / 1000).toFixed(1);
  return `seed ${options.seed}: ${nodes} nodes, ${seconds} s, ${events} events, ${elections} elections, ${entries} entries, ${grants} grants, hash ${fingerprint}: ${outcome}`;
}
