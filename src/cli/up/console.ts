import { type CliContext, usesColour } from "../context.ts";
import type { LogFormat } from "../log.ts";

/** One colour a node, none of them red: that is for trouble. */
const COLOURS = ["\x1b[36m", "\x1b[33m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[96m", "\x1b[93m"];
const RESET = "\x1b[0m";
const WIDTH = 5;

/** Where the lines of several nodes meet: each behind the name of its node. */
export class UpConsole {
  private readonly colours = new Map<string, string>();

  constructor(
    private readonly context: CliContext,
    private readonly format: LogFormat,
  ) {}

  /** A line of a node's log, as the node wrote it. In JSON it says itself whose it is. */
  nodeLine(node: string, line: string): void {
    if (this.format === "json") this.context.process.stdout.write(`${line}\n`);
    else this.context.process.stdout.write(`${this.prefix(node)}${line}\n`);
  }

  /** What `up` itself has to say. Beside a log in JSON it goes to stderr. */
  own(text: string): void {
    if (this.format === "json") this.context.process.stderr.write(`${text}\n`);
    else this.context.process.stdout.write(`${this.prefix("up")}${text}\n`);
  }

  /** A block of text of its own, without a prefix, so that it can be copied. */
  block(text: string): void {
    const { stdout, stderr } = this.context.process;
    (this.format === "json" ? stderr : stdout).write(`\n${text}\n`);
  }

  private prefix(name: string): string {
    const label = `${name.padEnd(WIDTH)} | `;
    if (!usesColour(this.context.process.stdout, this.context.environment)) return label;
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
