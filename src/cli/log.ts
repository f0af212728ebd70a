import { pino } from "pino";
import type { Logger } from "../server/running-node.ts";

export const logFormats = ["json", "text"] as const;
export type LogFormat = (typeof logFormats)[number];

export const logLevels = ["debug", "info", "warn", "error", "silent"] as const;
export type LogLevel = (typeof logLevels)[number];

/**
 * The node's logger. pino without a transport: those are worker threads, which an executable does not carry.
 *
 * @param write takes one line with its end
 */
export function createLogger(options: {
  readonly format: LogFormat;
  readonly level: LogLevel;
  readonly nodeId: string;
  readonly write: (line: string) => void;
}): Logger {
  const write = options.format === "json" ? options.write : (line: string) => options.write(textLine(line));
  return pino(
    {
      level: options.level,
      base: { node: options.nodeId },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    { write },
  );
}

/** One JSON line as one line for a person: `05:37:01.022 info  became leader  term=3`. */
function textLine(line: string): string {
  const { time, level, node: _node, msg, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = typeof time === "string" ? time.slice(11, 23) : "";
  const rest = Object.entries(fields).map(([name, value]) => `${name}=${fieldText(value)}`);
  return `${[clock, String(level).padEnd(5), typeof msg === "string" ? msg : "", ...rest].join(" ")}\n`;
}

function fieldText(value: unknown): string {
  if (typeof value === "string") return /^[\w.:@/+-]+$/.test(value) ? value : JSON.stringify(value);
  return JSON.stringify(value);
}
