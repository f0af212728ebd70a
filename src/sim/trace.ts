export interface TraceLine {
  readonly atMs: number;
  readonly node: number;
  readonly what: string;
  readonly detail: unknown;
}

/** The last things that happened. Lines become text only when somebody reads them. */
export class Trace {
  private readonly lines: (TraceLine | undefined)[];
  private next = 0;

  constructor(private readonly capacity: number) {
    this.lines = Array.from({ length: capacity });
  }

  add(atMs: number, node: number, what: string, detail?: unknown): void {
    this.lines[this.next % this.capacity] = { atMs, node, what, detail };
    this.next++;
  }

  /** Oldest first. */
  all(): TraceLine[] {
    const found: TraceLine[] = [];
    for (let i = Math.max(0, this.next - this.capacity); i < this.next; i++) {
      const line = this.lines[i % this.capacity];
      if (line !== undefined) found.push(line);
    }
    return found;
  }
}

export function lineText({ atMs, node, what, detail }: TraceLine): string {
  const who = node === 0 ? "      " : `node${node} `;
  const rest = detail === undefined ? "" : ` ${JSON.stringify(detail, shorten)}`;
  return `${atMs.toFixed(3).padStart(10)} ${who}${what}${rest}`;
}

function shorten(key: string, value: unknown): unknown {
  if (value instanceof Uint8Array) return `${value.length} bytes`;
  if (key === "entries" && Array.isArray(value)) {
    return value.map(
      (entry: { index?: number; term?: number; kind?: string }) => `${entry.term}/${entry.index} ${entry.kind}`,
    );
  }
  return value;
}
