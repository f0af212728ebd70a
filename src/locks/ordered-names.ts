/** Additions that a page may have to merge before sorting anew is cheaper. */
const MIN_PENDING = 1024;

/** What exists now. */
interface Names {
  get(key: string): unknown;
  values(): Iterable<{ readonly key: string }>;
}

/**
 * Names in code-unit order for paging, without a sort for each page and at no cost while nobody pages: sorted at the
 * first page, later additions merged in at the next one. What is gone meanwhile is left out by the reader.
 */
export class OrderedNames {
  private sorted: string[] | undefined = undefined;
  private pending: string[] = [];

  /** Must be told of each name that appears. */
  added(name: string): void {
    if (this.sorted === undefined) return;
    this.pending.push(name);
    if (this.pending.length <= Math.max(MIN_PENDING, this.sorted.length)) return;
    this.sorted = undefined;
    this.pending = [];
  }

  /** Names with the prefix, after `after`, in order, as long as the caller goes on asking. */
  *from(names: Names, prefix: string, after: string): Generator<string> {
    const sorted = this.refresh(names);
    let index = firstNotBefore(sorted, prefix > after ? prefix : after);
    for (; index < sorted.length; index++) {
      const name = sorted[index] ?? "";
      if (!name.startsWith(prefix)) return;
      if (name !== after) yield name;
    }
  }

  private refresh(names: Names): string[] {
    if (this.sorted === undefined) this.sorted = Array.from(names.values(), ({ key }) => key).sort();
    else if (this.pending.length > 0) this.sorted = merge(this.sorted, this.pending.sort(), names);
    this.pending = [];
    return this.sorted;
  }
}

/** Each name once, and only those that still exist. */
function merge(a: readonly string[], b: readonly string[], names: Names): string[] {
  const merged: string[] = [];
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    const left = a[i];
    const right = b[k];
    let name: string;
    if (right === undefined || (left !== undefined && left <= right)) {
      name = left ?? "";
      i++;
    } else {
      name = right;
      k++;
    }
    if (names.get(name) !== undefined && merged.at(-1) !== name) merged.push(name);
  }
  return merged;
}

function firstNotBefore(sorted: readonly string[], name: string): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((sorted[middle] ?? "") < name) low = middle + 1;
    else high = middle;
  }
  return low;
}
