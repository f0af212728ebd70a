/** `--json` of a command: its shape stands in docs/cli.md. Errors are JSON, too, by the command line alone: `runCli`. */
export function jsonFlag(brief = "As JSON") {
  return { kind: "boolean", default: false, brief, withNegated: false } as const;
}

/** A document for a program. */
export function jsonText(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
