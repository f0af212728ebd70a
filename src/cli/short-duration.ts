const UNITS = [
  ["d", 86_400_000],
  ["h", 3_600_000],
  ["m", 60_000],
] as const;

/** `850 ms`, `12.3 s`, `5 m 20 s`, `3 h 5 m`: the two largest units. */
export function shortDuration(ms: number): string {
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(Math.floor(ms / 100) / 10).toFixed(1)} s`;
  const index = UNITS.findIndex(([, size]) => ms >= size);
  const [unit, size] = UNITS[index] ?? UNITS[2];
  const [nextUnit, nextSize] = UNITS[index + 1] ?? (["s", 1_000] as const);
  return `${Math.floor(ms / size)} ${unit} ${Math.floor((ms % size) / nextSize)} ${nextUnit}`;
}
