import { loadavg } from "node:os";
import { machineFacts } from "../machine.ts";
import { measureScale, type Scale } from "../scale.ts";
import { Contenders } from "./contenders.ts";
import { type Failover, measureFailovers } from "./failovers.ts";
import { measureRates, type Rate, type RateRatio } from "./rates.ts";
import type { Program } from "../../../test/support/process-cluster.ts";

export const parts = ["rates", "failovers", "scale"] as const;
export type Part = (typeof parts)[number];

/** When a part was measured, on what and beside what. */
export interface Circumstances {
  readonly at: string;
  readonly seconds: number;
  /** Of the machine in the minute before: processes that are not ours share it. */
  readonly loadBefore: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly machine: Readonly<Record<string, string | number>>;
}

/** Each part is one run: all that is set side by side in it was measured in turn, in the same minutes. */
export interface Comparison {
  rates?: Circumstances & { readonly rates: readonly Rate[]; readonly ratios: readonly RateRatio[] };
  failovers?: Circumstances & { readonly network: string; readonly failovers: readonly Failover[] };
  scale?: Circumstances & { readonly scale: Scale };
  /** What is missing, and why. */
  skipped?: readonly string[];
}

/** How much of everything is measured. */
export interface Effort {
  readonly rounds: number;
  readonly seconds: number;
  readonly outstanding: readonly number[];
  readonly samples: number;
  readonly holds: number;
  readonly waiters: number;
  readonly scaleSeconds: number;
}

export const WHOLE: Effort = {
  rounds: 5,
  seconds: 2,
  outstanding: [64, 1],
  samples: 10,
  holds: 200_000,
  waiters: 100_000,
  scaleSeconds: 6,
};

/** Shows that everything runs; its figures say nothing. */
export const QUICK: Effort = {
  rounds: 1,
  seconds: 0.3,
  outstanding: [64, 1],
  samples: 1,
  holds: 2_000,
  waiters: 1_000,
  scaleSeconds: 0.5,
};

export async function compare(program: Program, chosen: readonly Part[], effort: Effort): Promise<Comparison> {
  const contenders = new Contenders(program);
  const comparison: Comparison = { skipped: contenders.skipped };
  for (const part of chosen) {
    console.log(`\n${part}`);
    switch (part) {
      case "rates":
        comparison.rates = await circumstances(contenders, () => measureRates({ contenders, ...effort }));
        break;
      case "failovers":
        comparison.failovers = await circumstances(contenders, () =>
          measureFailovers({ contenders, samples: effort.samples }),
        );
        break;
      case "scale":
        comparison.scale = await circumstances(contenders, async () => ({
          scale: await measureScale({ program, ...effort, seconds: effort.scaleSeconds }),
        }));
        break;
    }
  }
  return comparison;
}

export async function circumstances<Results>(
  contenders: { versions(): Record<string, string> },
  measure: () => Promise<Results>,
): Promise<Circumstances & Results> {
  const [loadBefore = 0] = loadavg();
  const at = new Date().toISOString();
  const start = performance.now();
  const results = await measure();
  const seconds = Math.round((performance.now() - start) / 1000);
  return { at, seconds, loadBefore, versions: contenders.versions(), machine: machineFacts(), ...results };
}
