/**
 * The candidate that a person may have meant: at most a third of its letters away, by case, `_` and `-` no distance.
 *
 * @returns undefined when none is near
 */
export function nearest(text: string, candidates: readonly string[]): string | undefined {
  const plain = plainForm(text);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const form = plainForm(candidate);
    const distance = editDistance(plain, form);
    if (distance > Math.max(1, Math.floor(form.length / 3)) || distance >= bestDistance) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

/** ` (did you mean x?)`, or nothing. */
export function didYouMean(text: string, candidates: readonly string[]): string {
  const meant = nearest(text, candidates);
  return meant === undefined ? "" : ` (did you mean ${meant}?)`;
}

function plainForm(text: string): string {
  return text.toLowerCase().replaceAll(/[-_]/g, "");
}

/** Levenshtein's distance, with the exchange of two neighbours as one step (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const isSame = a[row - 1] === b[column - 1];
      const isExchanged = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      const replaced = at(last, column - 1) + (isSame ? 0 : 1);
      const exchanged = isExchanged ? at(beforeLast, column - 2) + 1 : replaced;
      current.push(Math.min(at(last, column) + 1, at(current, column - 1) + 1, replaced, exchanged));
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
