/** Figures of several runs: the median is quoted, the range says how noisy the machine was. */
export interface Summary {
  readonly median: number;
  readonly min: number;
  readonly max: number;
  readonly runs: number;
}

export function summarize(values: readonly number[]): Summary {
  const sorted = values.toSorted((a, b) => a - b);
  return { median: quantile(sorted, 0.5), min: sorted[0] ?? 0, max: sorted.at(-1) ?? 0, runs: values.length };
}

/** @param sorted ascending */
export function quantile(sorted: readonly number[], q: number): number {
  if (sorted.length === 0) return 0;
  const at = (sorted.length - 1) * q;
  const low = sorted[Math.floor(at)] ?? 0;
  const high = sorted[Math.ceil(at)] ?? low;
  return low + (high - low) * (at - Math.floor(at));
}

export function show(summary: Summary, unit: string, digits = 0): string {
  const text = (value: number): string => value.toFixed(digits);
  return `${text(summary.median)} ${unit} (${text(summary.min)}–${text(summary.max)}, ${summary.runs} runs)`;
}
