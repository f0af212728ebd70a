import { StartError } from "../../kernel/start-error.ts";
import { jsonFlag } from "../json-flag.ts";

export interface SimFlags {
  readonly seed: number;
  /** Undefined: as many as the command thinks right. */
  readonly seeds?: number;
  readonly nodes?: number;
  readonly events?: number;
  readonly queues: boolean;
  /** Where the history of the one seed is written. */
  readonly history?: string | undefined;
  readonly json: boolean;
}

/** Of every command that runs simulated clusters. */
export const simFlags = {
  seed: { kind: "parsed", parse: parseCount, default: "0", brief: "First seed" },
  seeds: { kind: "parsed", parse: parseCount, optional: true, brief: "How many, one after the other (default 1)" },
  nodes: { kind: "parsed", parse: parseNodes, optional: true, brief: "1, 3, 5 or 7 (default: by the seed)" },
  events: { kind: "parsed", parse: parseCount, optional: true, brief: "Events until all is mended" },
  queues: {
    kind: "boolean",
    default: false,
    withNegated: false,
    brief: "With a shard of queues beside the control group, and those who use it",
  },
  history: {
    kind: "parsed",
    parse: String,
    optional: true,
    placeholder: "FILE",
    brief: "Write what the clients of one seed asked and were told, as JSON lines (docs/testing.md)",
  },
  json: jsonFlag("As JSON: one line for each run"),
} as const;

function parseCount(input: string): number {
  const value = Number(input);
  if (/^\d+$/.test(input) && value < 2 ** 49) return value;
  throw new StartError(`"${input}" is not a number in 0…2^49.`);
}

function parseNodes(input: string): number {
  if (["1", "3", "5", "7"].includes(input)) return Number(input);
  throw new StartError(`A simulated cluster has 1, 3, 5 or 7 nodes, not "${input}".`);
}
