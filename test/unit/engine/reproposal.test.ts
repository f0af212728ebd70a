import { describe, expect, test } from "bun:test";
import { Ingress } from "../../../src/engine/ingress.ts";

/** An ingress whose operations are numbered, a leader that only notes what it gets, and time. */
class Desk {
  /** By operation: how often it was proposed. */
  readonly proposed = new Map<number, number>();
  private nowMs = 0;
  private readonly ingress = new Ingress<string, string>(7, {
    encode: ({ command }) => new TextEncoder().encode(command),
    register: "register",
    cancel: (_ingress, sequence) => `cancel ${sequence}`,
    isStale: () => false,
  });

  constructor() {
    this.ingress.pump(0, ({ sequence }) => {
      this.ingress.outcome(sequence, "registered");
      return "sent";
    });
  }

  submit(count: number): number[] {
    return Array.from({ length: count }, () => this.ingress.submit("x", this.nowMs, {}, () => {}) ?? 0);
  }

  apply(sequence: number | undefined): void {
    this.ingress.outcome(sequence ?? 0, "done");
  }

  /** Applied, and it waits. */
  queue(sequence: number): void {
    this.ingress.outcome(sequence, undefined);
  }

  pass(ms: number): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs; this.nowMs += 10) {
      this.ingress.sweep(this.nowMs);
      this.ingress.pump(this.nowMs, ({ sequence }) => {
        this.proposed.set(sequence, (this.proposed.get(sequence) ?? 0) + 1);
        return "sent";
      });
    }
  }
}

describe("an operation without an outcome", () => {
  test("is not put into a log once more that is behind and moves: it waits there already", () => {
    const desk = new Desk();
    const sequences = desk.submit(12);
    for (let i = 0; i < 9; i++) {
      desk.pass(500);
      desk.apply(sequences[i]);
    }
    expect([...desk.proposed.values()]).toEqual(Array.from({ length: 12 }, () => 1));
  });

  test("is proposed again when a later one has come through: it was lost", () => {
    const desk = new Desk();
    const [lost = 0, later = 0] = desk.submit(2);
    desk.pass(100);
    desk.apply(later);
    desk.pass(1_000);
    expect([desk.proposed.get(lost), desk.proposed.get(later)]).toEqual([2, 1]);
  });

  test("is proposed again when nothing comes through any more", () => {
    const desk = new Desk();
    const [first, second = 0] = desk.submit(2);
    desk.pass(300);
    desk.apply(first);
    desk.pass(800);
    expect(desk.proposed.get(second)).toBe(1);
    desk.pass(400);
    expect(desk.proposed.get(second)).toBe(2);
  });

  test("is proposed again while only those that wait in the state machine are answered", () => {
    const desk = new Desk();
    const queued = desk.submit(10);
    desk.pass(100);
    for (const sequence of queued) desk.queue(sequence);
    const [lost = 0] = desk.submit(1);
    for (const sequence of queued.slice(0, 4)) {
      desk.pass(500);
      desk.apply(sequence);
    }
    expect(desk.proposed.get(lost)).toBe(2);
  });
});
