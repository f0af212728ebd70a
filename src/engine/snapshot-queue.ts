import type { SnapshotMade, SnapshotMaker, SnapshotOrder } from "./snapshot-maker.ts";

/**
 * The groups of a node have their snapshots made one after the other, in the order in which they asked. None has two orders here, so
 * each waits for one of every other group at most; and since a group rests for as long as its snapshot took, waiting
 * included, all of them together leave half of a processor to others.
 */
export class SnapshotQueue implements SnapshotMaker {
  private readonly waiting: { readonly order: SnapshotOrder; readonly done: SnapshotMade }[] = [];
  private isMaking = false;

  constructor(private readonly maker: SnapshotMaker) {}

  make(order: SnapshotOrder, done: SnapshotMade): void {
    this.waiting.push({ order, done });
    this.next();
  }

  private next(): void {
    if (this.isMaking) return;
    const next = this.waiting.shift();
    if (next === undefined) return;
    this.isMaking = true;
    this.maker.make(next.order, (failure, snapshot) => {
      this.isMaking = false;
      next.done(failure, snapshot);
      this.next();
    });
  }
}
