/** Rules of PROTOCOLS that a simulated cluster could break. Each is planted, or `unplanted.ts` says why it is not. */
export const rules: readonly string[] = [
  ...numbered("D", 9),
  ...numbered("R", 9),
  "M1",
  ...numbered("T", 2),
  ...numbered("L", 8),
  ...numbered("Q", 2),
];

function numbered(letter: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${letter}${i + 1}`);
}
