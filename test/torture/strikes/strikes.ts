import type { FaultKind } from "../faults.ts";
import { clockDrift, clockStep } from "./clocks.ts";
import { amnesia, bitFlip, lose, truncate } from "./damage.ts";
import { diskFull } from "./disk-full.ts";
import { grow, replace, shrink } from "./membership.ts";
import { oneWay, partition } from "./network.ts";
import { kill, pause, restartAll, rolling, transfer } from "./processes.ts";
import type { Strike } from "./strike.ts";

/** How each kind of fault is carried out. */
export const strikes: Readonly<Record<FaultKind, Strike>> = {
  ...{ kill, pause, "restart-all": restartAll, rolling, transfer },
  ...{ partition, "one-way": oneWay },
  ...{ "clock-step": clockStep, "clock-drift": clockDrift },
  ...{ grow, shrink, wipe: replace },
  ...{ "bit-flip": bitFlip, "truncate-file": truncate, "lose-file": lose, amnesia },
  "disk-full": diskFull,
};
