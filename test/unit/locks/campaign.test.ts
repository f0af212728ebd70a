import { describe, expect, test } from "bun:test";
import { errorOf, Harness, once, owner, session, tokenOf } from "./harness.ts";

const shared = { mode: "shared" } as const;

function shown(h: Harness, lock = "x"): { value: string | undefined; revision: number } {
  const { value, revision } = h.machine.view(lock);
  return { value, revision };
}

describe("the value of a lock (L5, L7)", () => {
  test("is shown while the one who gave it holds the lock, and goes with the hold", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { value: "10.0.0.1:80" });
    expect(shown(h).value).toBe("10.0.0.1:80");
    h.release("x", owner("a"));
    expect(shown(h)).toEqual({ value: undefined, revision: 0 });
  });

  test("of a waiter takes the place of its predecessor's in the step of the grant", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { value: "one" });
    h.wait("x", owner("b"), { value: "two" });
    h.wait("x", owner("c"));
    expect(shown(h).value).toBe("one");
    h.release("x", owner("a"));
    expect(shown(h).value).toBe("two");
    h.release("x", owner("b"));
    expect(h.holders("x")).toEqual(["c"]);
    expect(shown(h).value).toBeUndefined();
  });

  test("is replaced by a re-entry with another one, under the same token", () => {
    const h = new Harness();
    const token = h.token("x", owner("a"), { value: "one" });
    expect(h.token("x", owner("a"), { value: "two" })).toBe(token);
    expect(shown(h).value).toBe("two");
  });

  test("stays when a re-entry brings none, and may be empty", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { value: "one" });
    h.acquire("x", owner("a"));
    h.acquire("x", owner("a"), shared);
    expect(shown(h).value).toBe("one");
    h.acquire("x", owner("a"), { value: "" });
    expect(shown(h).value).toBe("");
  });

  test("comes with an upgrade, and not with one that is refused", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), shared);
    h.acquire("x", owner("b"), shared);
    expect(errorOf(h.acquire("x", owner("a"), { value: "one" }))).toBe("upgrade_conflict");
    expect(shown(h).value).toBeUndefined();
    h.release("x", owner("b"));
    h.acquire("x", owner("a"), { value: "one" });
    expect(shown(h).value).toBe("one");
  });

  test("of a request that joins its own place is the one that counts", () => {
    const h = new Harness();
    h.acquire("x", owner("a"));
    h.wait("x", owner("b"), { value: "one" });
    h.wait("x", owner("b"), { value: "two" });
    h.wait("x", owner("b"));
    h.release("x", owner("a"));
    expect(shown(h).value).toBe("two");
  });

  test("ends with the session that gave it", () => {
    const h = new Harness();
    h.open("s1", 1_000);
    h.acquire("x", session("s1"), { value: "one" });
    h.time(1_000);
    expect(shown(h)).toEqual({ value: undefined, revision: 0 });
  });

  test("belongs to what an Idempotency-Key means: another value under the same key is another request (Q1)", () => {
    const h = new Harness();
    const envelope = { idempotencyKey: "k" };
    const first = h.acquire("x", owner("a"), { value: "one", envelope });
    expect(h.acquire("x", owner("a"), { value: "one", envelope })).toEqual(first as never);
    expect(errorOf(h.acquire("x", owner("a"), { value: "two", envelope }))).toBe("idempotency_key_reused");
    expect(errorOf(h.acquire("x", owner("a"), { envelope }))).toBe("idempotency_key_reused");
    expect(shown(h).value).toBe("one");
  });

  test("counts in the digest, held and waiting", () => {
    const run = (held: string, waiting: string) => {
      const h = new Harness();
      h.acquire("x", owner("a"), { value: held });
      h.wait("x", owner("b"), { value: waiting });
      expect(h.twin.digest()).toBe(h.machine.digest());
      return h.machine.digest();
    };
    expect(new Set([run("one", "two"), run("two", "two"), run("one", "three")]).size).toBe(3);
  });
});

describe("the revision of a lock", () => {
  test("is the index of the entry that last changed who holds it", () => {
    const h = new Harness();
    h.acquire("x", once("r1"));
    expect(shown(h).revision).toBe(h.machine.appliedIndex);
    h.wait("x", owner("b"));
    h.acquire("y", owner("b"));
    expect(shown(h).revision).toBe(h.machine.appliedIndex - 2);
    h.release("x", { kind: "onceId", id: "r1" });
    expect(shown(h).revision).toBe(h.machine.appliedIndex);
  });

  test("changes with each reader that comes or goes, and with an upgrade", () => {
    const h = new Harness();
    const seen = new Set<number>();
    const look = () => seen.add(shown(h).revision);
    h.acquire("x", owner("a"), shared);
    look();
    h.acquire("x", owner("b"), shared);
    look();
    h.release("x", owner("b"));
    look();
    h.acquire("x", owner("a"));
    look();
    expect(seen.size).toBe(4);
  });

  test("does not change with a renewal, nor with the same value again", () => {
    const h = new Harness();
    h.acquire("x", owner("a"), { value: "one" });
    const before = shown(h);
    h.acquire("x", owner("a"));
    h.acquire("x", owner("a"), { value: "one" });
    expect(shown(h)).toEqual(before);
    h.acquire("x", owner("a"), { value: "two" });
    expect(shown(h).revision).toBe(h.machine.appliedIndex);
  });

  test("is 0 while nobody holds the lock", () => {
    expect(shown(new Harness())).toEqual({ value: undefined, revision: 0 });
  });
});

describe("an observer of a lock", () => {
  function observed(h: Harness, lock = "x"): { seen: number[]; end: () => void } {
    const seen: number[] = [];
    const end = h.machine.observe(lock, () => seen.push(h.machine.view(lock).revision));
    return { seen, end };
  }

  test("is called once after each entry that changes holder or value, and sees the state after it", () => {
    const h = new Harness();
    const { seen } = observed(h);
    h.acquire("x", owner("a"), { value: "one" });
    const first = h.machine.appliedIndex;
    h.wait("x", owner("b"));
    h.acquire("y", owner("a"));
    h.acquire("x", owner("a"), { value: "two" });
    const second = h.machine.appliedIndex;
    h.release("x", owner("a"));
    const third = h.machine.appliedIndex;
    h.release("x", owner("b"));
    expect(seen).toEqual([first, second, third, 0]);
  });

  test("is called when a lease or a session ends", () => {
    const h = new Harness();
    h.open("s1", 500);
    const { seen } = observed(h);
    h.acquire("x", session("s1"));
    h.time(500);
    h.acquire("x", owner("a"), { ttlMs: 500 });
    h.time(1_000);
    expect(seen).toHaveLength(4);
  });

  test("is not called any more once it is taken back, and others still are", () => {
    const h = new Harness();
    const one = observed(h);
    const two = observed(h);
    one.end();
    one.end();
    h.acquire("x", owner("a"));
    expect([one.seen.length, two.seen.length]).toEqual([0, 1]);
  });

  test("may take itself back and observe anew when it is called", () => {
    const h = new Harness();
    let calls = 0;
    const again = (): void => {
      const end = h.machine.observe("x", () => {
        calls++;
        end();
        again();
      });
    };
    again();
    h.acquire("x", owner("a"));
    h.release("x", owner("a"));
    expect(calls).toBe(2);
  });

  test("is no part of the state", () => {
    const h = new Harness();
    observed(h);
    tokenOf(h.acquire("x", owner("a")));
    expect(h.twin.digest()).toBe(h.machine.digest());
  });
});
