import { type CliContext, usesColour } from "../context.ts";
import type { LogFormat } from "../log.ts";

/** One colour a node, none of them red: that is for trouble. */
const COLOURS = ["\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[93m"];
const RESET = "\x1b[0m";
const WIDTH = 5;

/** Where the lines of several nodes meet: each behind the name of its node. */
export class UpConsole {
  private readonly colours = new Map<string, string>();

  /** @param asJson keeps standard output for the one line of JSON that says that the cluster is ready */
  constructor(
    private readonly context: CliContext,
    private readonly format: LogFormat,
    readonly asJson: boolean,
  ) {}

  /** A line of a node's log, as the node wrote it. In JSON it says itself whose it is. */
  nodeLine(node: string, line: string): void {
    const { stdout, stderr } = this.context.process;
    const stream = this.asJson ? stderr : stdout;
    stream.write(this.format === "json" ? `${line}\n` : `${this.prefix(node)}${line}\n`);
  }

  /** What `up` itself has to say. Beside a log in JSON it goes to stderr. */
  own(text: string): void {
    const { stdout, stderr } = this.context.process;
    if (this.format === "json") stderr.write(`${text}\n`);
    else (this.asJson ? stderr : stdout).write(`${this.prefix("up")}${text}\n`);
  }

  /** Said once, when the cluster can be used: text of its own, without a prefix, so that it can be copied. */
  ready(text: string): void {
    const { stdout, stderr } = this.context.process;
    if (this.asJson) stdout.write(text);
    else (this.format === "json" ? stderr : stdout).write(`\n${text}\n`);
  }

  private prefix(name: string): string {
    const label = `${name.padEnd(WIDTH)} | `;
    const { stdout, stderr } = this.context.process;
    if (!usesColour(this.asJson ? stderr : stdout, this.context.environment)) return label;
    return `${this.colourOf(name)}${label}${RESET}`;
  }

  private colourOf(name: string): string {
    const known = this.colours.get(name);
    if (known !== undefined) return known;
    const colour = name === "up" ? "\x1b[1m" : (COLOURS[this.colours.size % COLOURS.length] ?? "");
    this.colours.set(name, colour);
    return colour;
  }
}
