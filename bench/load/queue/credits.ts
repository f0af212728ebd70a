/**
 * Counts messages that a shared consumer has finished, and lets those go on who wait for some: first come, first served. Where
 * one consumer serves all clients, this is how a client "takes" a message.
 */
export class Credits {
  private spare = 0;
  private readonly waiting: { left: number; resolve: () => void }[] = [];

  /** One more is finished. */
  give(): void {
    const first = this.waiting[0];
    if (first === undefined) {
      this.spare += 1;
      return;
    }
    first.left -= 1;
    if (first.left > 0) return;
    this.waiting.shift();
    first.resolve();
  }

  /** Resolves when so many were finished that nobody before had taken. */
  take(count: number): Promise<void> {
    const now = Math.min(this.spare, count);
    this.spare -= now;
    if (now === count) return Promise.resolve();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.waiting.push({ left: count - now, resolve });
    return promise;
  }
}
