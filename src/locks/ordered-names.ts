/** A block that grows beyond this is split into two. */
const MAX_BLOCK = 512;

/**
 * Names in code-unit order for paging, in blocks: a name comes or goes at the cost of a search and of a move within its
 * block. Sorting when somebody pages would stop a table of a million names for seconds (PROTOCOLS D10).
 */
export class OrderedNames {
  /** Invariant: none is empty; each is in order and before the next. */
  private readonly blocks: string[][] = [];

  /** The name must not be there yet. */
  add(name: string): void {
    const at = Math.max(0, this.blockBehind(name) - 1);
    const block = this.blocks[at];
    if (block === undefined) {
      this.blocks.push([name]);
      return;
    }
    block.splice(firstNotBefore(block, name), 0, name);
    if (block.length > MAX_BLOCK) this.blocks.splice(at + 1, 0, block.splice(MAX_BLOCK >> 1));
  }

  /** The name must be behind all that are there. */
  append(name: string): void {
    const last = this.blocks.at(-1);
    // With room for names that come later.
    if (last === undefined || last.length >= MAX_BLOCK >> 1) this.blocks.push([name]);
    else last.push(name);
  }

  remove(name: string): void {
    const at = this.blockBehind(name) - 1;
    const block = this.blocks[at];
    if (block === undefined) return;
    const place = firstNotBefore(block, name);
    if (block[place] !== name) return;
    block.splice(place, 1);
    if (block.length === 0) this.blocks.splice(at, 1);
  }

  /** Names with the prefix, after `after`, in order, as long as the caller goes on asking. */
  *from(prefix: string, after: string): Generator<string> {
    const start = prefix > after ? prefix : after;
    for (let at = Math.max(0, this.blockBehind(start) - 1); at < this.blocks.length; at++) {
      const block = this.blocks[at] ?? [];
      for (let place = firstNotBefore(block, start); place < block.length; place++) {
        const name = block[place] ?? "";
        if (!name.startsWith(prefix)) return;
        if (name !== after) yield name;
      }
    }
  }

  /** All names in order, some at a time. They must not change meanwhile. */
  inBlocks(): readonly (readonly string[])[] {
    return this.blocks;
  }

  /** Position of the first block that begins behind the name. */
  private blockBehind(name: string): number {
    let low = 0;
    let high = this.blocks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.blocks[middle]?.[0] ?? "") <= name) low = middle + 1;
      else high = middle;
    }
    return low;
  }
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
