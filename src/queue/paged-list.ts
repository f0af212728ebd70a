import { assert } from "../kernel/assert.ts";
import { LinkedList } from "../kernel/linked-list.ts";
import { decodePage, encodePage, type Page, type PagedMessage } from "./pages.ts";
import type { Message } from "./records.ts";

/** What lists need of the state around them. */
export interface PageHost {
  /** Stores a page under an id that was never used before. */
  store(content: Uint8Array): number;
  load(id: number): Uint8Array;
  drop(id: number): void;
  /** So many records more, or fewer, and of so many bytes. */
  heated(messages: number, bytes: number): void;
}

/** The first messages of a list stay records, so that they are at hand. */
const HEAD_MESSAGES = 512;

/**
 * Messages, first in, first out. A long one has its middle in pages: `head`, then `pages`, then `tail`. So a
 * backlog of millions takes little memory, and what is taken soon after it came never becomes a page.
 */
export class PagedList {
  head = new LinkedList<Message>();
  /** From `firstPage` on: what is before has gone. */
  private pages: Page[] = [];
  private firstPage = 0;
  tail = new LinkedList<Message>();
  size = 0;
  private tailBytes = 0;
  /** Messages of the tail that something else refers to: they stay records. */
  private pinned = 0;

  /** @param revive makes a record of a message again */
  constructor(
    private readonly host: PageHost,
    private readonly revive: (paged: PagedMessage) => Message,
  ) {}

  get pageCount(): number {
    return this.pages.length - this.firstPage;
  }

  /** In their order. */
  *allPages(): Generator<Page> {
    for (let i = this.firstPage; i < this.pages.length; i++) yield this.pages[i] as Page;
  }

  /** Number of the first message, where they are in the order of their numbers; infinite for an empty list. */
  get firstNumber(): number {
    const first = this.head.first ?? this.pages[this.firstPage] ?? this.tail.first;
    if (first === undefined) return Number.POSITIVE_INFINITY;
    return "minNumber" in first ? first.minNumber : first.number;
  }

  /** Wall time; undefined for an empty list. */
  get firstPublishedAtMs(): number | undefined {
    const first = this.head.first ?? this.pages[this.firstPage] ?? this.tail.first;
    if (first === undefined) return undefined;
    return "firstPublishedAtMs" in first ? first.firstPublishedAtMs : first.publishedAtMs;
  }

  push(message: Message): void {
    this.size += 1;
    if (this.pageCount === 0 && this.tail.size === 0 && this.head.size < HEAD_MESSAGES) this.head.push(message);
    else this.pushTail(message);
  }

  /** The first message, which leaves the list. */
  shift(): Message | undefined {
    if (this.head.first === undefined) this.refill();
    const { first } = this.head;
    if (first === undefined) return undefined;
    this.head.remove(first);
    this.size -= 1;
    return first;
  }

  /** The message is a record of this list, which is in the order of numbers: what is in a page is not taken out of the middle. */
  remove(message: Message): void {
    const { first } = this.tail;
    const isTail = first !== undefined && message.number >= first.number;
    (isTail ? this.tail : this.head).remove(message);
    this.size -= 1;
    if (!isTail) return;
    this.tailBytes -= message.body.length;
    if (isPinned(message)) this.pinned -= 1;
  }

  /** Puts the older part of the tail into a page, if there is a whole one. @returns whether it did */
  pageOut(maxMessages: number, maxBytes: number): boolean {
    if (this.pinned > 0 || (this.tail.size < maxMessages && this.tailBytes < maxBytes)) return false;
    const messages: Message[] = [];
    let bytes = 0;
    for (let next = this.tail.first; next !== undefined && messages.length < maxMessages && bytes < maxBytes;) {
      messages.push(next);
      bytes += next.body.length;
      next = next.next;
    }
    const [first] = messages;
    if (first === undefined) return false;
    for (const message of messages) this.tail.remove(message);
    this.tailBytes -= bytes;
    const id = this.host.store(encodePage(messages));
    const minNumber = messages.reduce((min, { number }) => Math.min(min, number), first.number);
    const maxNumber = messages.reduce((max, { number }) => Math.max(max, number), first.number);
    const { publishedAtMs: firstPublishedAtMs } = first;
    this.pages.push({ id, count: messages.length, bytes, minNumber, maxNumber, firstPublishedAtMs });
    this.host.heated(-messages.length, -bytes);
    return true;
  }

  /** All of them are gone. @returns how many were pages, and the bytes of those */
  clear(): { paged: number; pagedBytes: number } {
    let paged = 0;
    let pagedBytes = 0;
    for (const { id, count, bytes } of this.allPages()) {
      paged += count;
      pagedBytes += bytes;
      this.host.drop(id);
    }
    this.head = new LinkedList();
    this.tail = new LinkedList();
    this.pages = [];
    this.firstPage = 0;
    this.size = 0;
    this.tailBytes = 0;
    this.pinned = 0;
    return { paged, pagedBytes };
  }

  /** For a list that is restored: in the order of the parts. */
  restore(part: "head" | "tail", message: Message): void {
    this.size += 1;
    if (part === "head") this.head.push(message);
    else this.pushTail(message);
  }

  restorePage(page: Page): void {
    this.pages.push(page);
    this.size += page.count;
  }

  /** What is in a page, without a change: views on its content. */
  read(page: Page): Generator<PagedMessage> {
    return decodePage(this.host.load(page.id));
  }

  private pushTail(message: Message): void {
    this.tail.push(message);
    this.tailBytes += message.body.length;
    if (isPinned(message)) this.pinned += 1;
  }

  private refill(): void {
    const page = this.pages[this.firstPage];
    if (page === undefined) {
      [this.head, this.tail] = [this.tail, this.head];
      this.tailBytes = 0;
      this.pinned = 0;
      return;
    }
    for (const paged of this.read(page)) this.head.push(this.revive(paged));
    assert(this.head.size === page.count, "a page has as many messages as it says");
    this.host.heated(page.count, page.bytes);
    this.host.drop(page.id);
    this.firstPage += 1;
    // Gone from the front now and then: each page is moved once at most.
    if (this.firstPage * 2 > this.pages.length) {
      this.pages = this.pages.slice(this.firstPage);
      this.firstPage = 0;
    }
  }
}

function isPinned({ expiry, group }: Message): boolean {
  return expiry !== undefined || group !== undefined;
}
