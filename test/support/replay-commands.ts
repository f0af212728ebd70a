/** A block of shell commands of a document, with what it says that they print. */
export interface CommandBlock {
  /** Line of the document, for messages. */
  readonly line: number;
  readonly script: string;
  /** What its comments show, in order: text in which `…` stands for anything. */
  readonly shown: readonly string[];
}

/** The blocks of a document that ask a node with curl, in order. */
export function readCommands(markdown: string): CommandBlock[] {
  const lines = markdown.split("\n");
  const blocks: CommandBlock[] = [];
  for (let i = 0; i < lines.length; i++) {
    if (lines[i] !== "```sh") continue;
    const end = lines.indexOf("```", i);
    const block = lines.slice(i + 1, end);
    const shown = block.filter((line) => line.startsWith("# ")).map((line) => line.slice(2));
    if (block.some((line) => line.includes("curl "))) blocks.push({ line: i + 1, script: block.join("\n"), shown });
    i = end;
  }
  return blocks;
}

const MARK = "-- block";

/**
 * Pastes the blocks into one shell, one after the other.
 *
 * @param ports those of the nodes that the document calls `localhost:8001`, `8002`, …
 * @returns what each block printed on standard output
 */
export async function paste(blocks: readonly CommandBlock[], ports: readonly number[]): Promise<string[]> {
  const script = blocks.map((block) => `echo '${MARK}'\n${block.script}\n`).join("");
  const here = script.replaceAll(/localhost:800(\d)/g, (_all, node: string) => `127.0.0.1:${ports[Number(node) - 1]}`);
  const shell = Bun.spawn(["bash", "-u", "-c", here], { stdin: "ignore", stdout: "pipe", stderr: "ignore" });
  const output = await new Response(shell.stdout).text();
  await shell.exited;
  return output.split(`${MARK}\n`).slice(1);
}

/** Whether the output has what is shown, in order. @returns what is missing, or undefined */
export function missing(output: string, shown: readonly string[]): string | undefined {
  let rest = output;
  for (const text of shown) {
    const match = new RegExp(
      text
        .split("…")
        .map((part) => RegExp.escape(part))
        .join("[^]*?"),
    ).exec(rest);
    if (match === null) return text;
    rest = rest.slice(match.index + match[0].length);
  }
  return undefined;
}
