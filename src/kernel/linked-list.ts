/** An element that carries its own links: no node object, and removal in O(1). */
export interface Linked<Element> {
  /** Written by the list alone, as `next`. */
  previous: Element | undefined;
  next: Element | undefined;
}

/**
 * A doubly linked list through its elements; an element is in one list at most.
 *
 * A `Map` would do for order and removal, but taking the first of a long one again and again walks over
 * the places of those already deleted.
 */
export class LinkedList<Element extends Linked<Element>> {
  first: Element | undefined;
  last: Element | undefined;
  size = 0;

  push(element: Element): void {
    element.previous = this.last;
    element.next = undefined;
    if (this.last === undefined) this.first = element;
    else this.last.next = element;
    this.last = element;
    this.size += 1;
  }

  /** The element must be in this list. */
  remove(element: Element): void {
    if (element.previous === undefined) this.first = element.next;
    else element.previous.next = element.next;
    if (element.next === undefined) this.last = element.previous;
    else element.next.previous = element.previous;
    element.previous = undefined;
    element.next = undefined;
    this.size -= 1;
  }
}
