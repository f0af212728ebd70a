import { type CliContext, usesColour } from "./context.ts";

const CYAN = "\u001b[36m";
const PLAIN = "\u001b[39m";
const GAP = "  ";

/** Rows under a head, in columns, as text that ends with a newline. Fast enough for as many locks as there can be. */
export function tableText(context: CliContext, head: readonly string[], rows: readonly string[][]): string {
  const shown = rows.map((cells) => cells.map(printable));
  const widths = head.map((title) => Bun.stringWidth(title));
  for (const cells of shown) {
    cells.forEach((cell, column) => {
      widths[column] = Math.max(widths[column] ?? 0, Bun.stringWidth(cell));
    });
  }
  const title = line(head, widths);
  const colour = usesColour(context.process.stdout, context.environment);
  const lines = [colour ? `${CYAN}${title}${PLAIN}` : title, ...shown.map((cells) => line(cells, widths))];
  return `${lines.join("\n")}\n`;
}

function line(cells: readonly string[], widths: readonly number[]): string {
  const padded = cells.map((cell, column) => cell + " ".repeat((widths[column] ?? 0) - Bun.stringWidth(cell)));
  return padded.join(GAP).trimEnd();
}

/** Names are anybody's: a control character in one must not drive the terminal that shows it. */
function printable(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Cf}]/gu, "\ufffd");
}
