import { assert } from "./assert.ts";

/** What a {@link Heap} holds. An element is in one heap at most. */
export interface HeapElement {
  /** Where the heap keeps the element; −1 outside. Written by the heap alone. */
  heapIndex: number;
}

/**
 * A binary heap whose elements know their place, so that any of them can be removed or re-ordered in O(log n).
 *
 * `before` must be a strict total order: elements that tie would leave in an order that depends on history.
 */
export class Heap<Element extends HeapElement> {
  private readonly elements: Element[] = [];

  constructor(private readonly before: (a: Element, b: Element) => boolean) {}

  get size(): number {
    return this.elements.length;
  }

  /** The first element by the order, or undefined. */
  peek(): Element | undefined {
    return this.elements[0];
  }

  /** In an order that tells nothing but the first. The heap must not change meanwhile. */
  values(): Iterable<Element> {
    return this.elements;
  }

  push(element: Element): void {
    assert(element.heapIndex === -1, "an element is in one heap at most");
    element.heapIndex = this.elements.length;
    this.elements.push(element);
    this.rise(element);
  }

  pop(): Element | undefined {
    const first = this.elements[0];
    if (first !== undefined) this.remove(first);
    return first;
  }

  remove(element: Element): void {
    const index = element.heapIndex;
    assert(this.elements[index] === element, "only an element of this heap can be removed");
    const last = this.elements.pop();
    element.heapIndex = -1;
    if (last === undefined || last === element) return;
    last.heapIndex = index;
    this.elements[index] = last;
    this.update(last);
  }

  /** Restores the order after the element's key has changed. */
  update(element: Element): void {
    assert(this.elements[element.heapIndex] === element, "only an element of this heap can be updated");
    this.rise(element);
    this.sink(element);
  }

  private rise(element: Element): void {
    let index = element.heapIndex;
    while (index > 0) {
      const parentIndex = (index - 1) >> 1;
      const parent = this.elements[parentIndex];
      if (parent === undefined || !this.before(element, parent)) break;
      this.place(parent, index);
      index = parentIndex;
    }
    this.place(element, index);
  }

  private sink(element: Element): void {
    let index = element.heapIndex;
    for (;;) {
      let childIndex = 2 * index + 1;
      let child = this.elements[childIndex];
      if (child === undefined) break;
      const right = this.elements[childIndex + 1];
      if (right !== undefined && this.before(right, child)) {
        child = right;
        childIndex += 1;
      }
      if (!this.before(child, element)) break;
      this.place(child, index);
      index = childIndex;
    }
    this.place(element, index);
  }

  private place(element: Element, index: number): void {
    element.heapIndex = index;
    this.elements[index] = element;
  }
}
