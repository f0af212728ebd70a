import { describe, expect, test } from "bun:test";
import { checkLinearizability } from "../../torture/checks/linearizability.ts";
import type { HistoryRecord, OperationRecord } from "../../torture/history.ts";
import {
  acquire,
  closeSession,
  highestIs,
  historyOf,
  inspect,
  offer,
  openSession,
  refused,
  release,
  renewSession,
  unknown,
} from "./records.ts";

/** The objects whose history has no linearization. */
function wrong(...records: readonly HistoryRecord[]): string[] {
  return checkLinearizability(historyOf(...records)).map(({ what }) => what.slice(0, what.indexOf(":")));
}

const b = { owner: "b" };
const held = refused("lock_held", 423);
const notHeld = refused("not_held", 404);
const notOwner = refused("not_owner", 403);
const lock = ["lock x"];

/** A refusal that shows the token of the hold. */
function staleToken(highest: number): Partial<OperationRecord> {
  return highestIs(highest);
}

function shared(atMs: number, token: number, owner: string, changes = {}): OperationRecord {
  return acquire(atMs, token, { owner, mode: "shared" }, changes);
}

describe("the history of a lock", () => {
  test("that one machine could have is fine", () => {
    const exclusive = [acquire(0, 1), acquire(10, 1, b, held), inspect(20, 1, { owners: ["a"], token: 1 })];
    expect(wrong(...exclusive, release(30, 1, b, notOwner), release(40, 1), release(50, 1, {}, notHeld))).toEqual([]);
    const readers = [
      shared(0, 1, "r1"),
      shared(10, 1, "r2"),
      acquire(20, 2, { owner: "r1" }, refused("upgrade_conflict", 409)),
    ];
    expect(wrong(...readers, release(30, 1, { owner: "r2" }), acquire(40, 2, { owner: "r1" }))).toEqual([]);
  });

  test("with a stale read is not", () => {
    expect(wrong(acquire(0, 1), inspect(10, 1))).toEqual(lock);
    expect(wrong(acquire(0, 1), release(10, 1), inspect(20, 1, { owners: ["a"], token: 1 }))).toEqual(lock);
    expect(
      wrong(acquire(0, 1), release(10, 1), acquire(20, 2, b), inspect(30, 1, { owners: ["a"], token: 1 })),
    ).toEqual(lock);
  });

  test("may show either state while a change is under way, and in one order only", () => {
    const slow = acquire(0, 1, {}, { to_us: 50_000 });
    const free = (atMs: number) => inspect(atMs, 1);
    const taken = (atMs: number) => inspect(atMs, 1, { owners: ["a"], token: 1 });
    expect(wrong(slow, free(10), taken(20))).toEqual([]);
    expect(wrong(slow, taken(10), free(20))).toEqual(lock);
  });

  test("with a lost release, a lost grant or a second release is not", () => {
    expect(wrong(acquire(0, 1), release(10, 1), acquire(20, 2, b, held))).toEqual(lock);
    expect(wrong(acquire(0, 1), release(10, 1, {}, notHeld))).toEqual(lock);
    expect(wrong(acquire(0, 1), release(10, 1), release(20, 1))).toEqual(lock);
  });

  test("with a token that was used or is too small is not", () => {
    expect(wrong(acquire(0, 1), release(10, 1), acquire(20, 1, b))).toEqual(lock);
    expect(wrong(acquire(0, 5), release(10, 5), acquire(20, 4, b))).toEqual(lock);
    expect(wrong(acquire(0, 1), acquire(10, 2))).toEqual(lock);
    expect(wrong(shared(0, 1, "r1"), shared(10, 2, "r2"))).toEqual(lock);
  });

  test("with a grant during a hold that certainly stands is not", () => {
    const short = acquire(0, 1, { ttl: 0.1 });
    expect(wrong(short, acquire(50, 2, b, { to_us: 99_000 }))).toEqual(lock);
    expect(wrong(short, acquire(50, 2, b, { to_us: 101_000 }))).toEqual([]);
    expect(wrong(short, shared(50, 1, "b"))).toEqual(lock);
  });

  test("lets a lease end late, and once", () => {
    const short = acquire(0, 1, { ttl: 0.1 });
    const stillA = (atMs: number) => inspect(atMs, 1, { owners: ["a"], token: 1 });
    expect(wrong(short, stillA(500), inspect(510, 1), acquire(520, 2, b))).toEqual([]);
    expect(wrong(short, inspect(500, 1), stillA(510))).toEqual(lock);
    expect(wrong(short, acquire(500, 2, b), release(510, 1))).toEqual(lock);
  });

  test("with a release by a stale holder is not", () => {
    const lost = [acquire(0, 1, { ttl: 0.1 }), acquire(200, 2, b)];
    expect(wrong(...lost, release(210, 1))).toEqual(lock);
    expect(wrong(...lost, release(210, 1, {}, notOwner), inspect(220, 1, { owners: ["b"], token: 2 }))).toEqual([]);
    // The same owner with a newer hold: its old token releases nothing.
    const again = [acquire(0, 1), release(10, 1), acquire(20, 2)];
    expect(wrong(...again, release(30, 1))).toEqual(lock);
    expect(wrong(...again, release(30, 1, {}, staleToken(2)))).toEqual([]);
    expect(wrong(...again, release(30, 1, {}, staleToken(3)))).toEqual(lock);
  });

  test("with an upgrade among readers, or a downgrade, is not", () => {
    expect(wrong(shared(0, 1, "a"), shared(10, 1, "b"), acquire(20, 2))).toEqual(lock);
    expect(wrong(shared(0, 1, "a"), acquire(20, 2), inspect(30, 1, { owners: ["a"], token: 2 }))).toEqual([]);
    expect(wrong(acquire(0, 1), shared(10, 1, "a"))).toEqual(lock);
  });
});

describe("an unknown outcome", () => {
  const lost = acquire(0, 1, {}, unknown);
  const heldByA = (atMs: number) => inspect(atMs, 1, { owners: ["a"], token: 7 });

  test("may take effect late, or never", () => {
    expect(wrong(lost, inspect(100, 1), inspect(200, 1))).toEqual([]);
    expect(wrong(lost, inspect(100, 1), heldByA(200), acquire(300, 2, b, held))).toEqual([]);
    expect(wrong(acquire(0, 1), release(10, 1, {}, unknown), heldBy(20), inspect(500, 1))).toEqual([]);
  });

  test("may not be undone by a read that comes after what it did, nor happen twice", () => {
    const released = [acquire(0, 1), release(10, 1, {}, unknown)];
    expect(wrong(...released, inspect(100, 1), heldBy(200))).toEqual(lock);
    expect(wrong(lost, heldByA(100), release(110, 7), heldByA(200))).toEqual(lock);
    expect(wrong(lost, heldByA(100), inspect(200, 1), heldByA(300))).toEqual(lock);
  });

  test("does not happen before it was asked for", () => {
    expect(wrong(inspect(0, 1, { owners: ["a"], token: 7 }), acquire(50, 1, {}, unknown))).toEqual(lock);
  });

  test("has a token like any grant", () => {
    expect(wrong(acquire(0, 8, b), release(10, 8, b), acquire(20, 1, {}, unknown), heldByA(30))).toEqual(lock);
    expect(wrong(lost, heldByA(100), acquire(110, 6, b))).toEqual(lock);
  });
});

function heldBy(atMs: number): OperationRecord {
  return inspect(atMs, 1, { owners: ["a"], token: 1 });
}

describe("requests under one key", () => {
  test("are one operation, from the first request to the first answer", () => {
    const key = { key: "k" };
    const first = acquire(0, 1, {}, { ...unknown, ...key });
    const second = acquire(100, 1, {}, key);
    expect(wrong(first, inspect(50, 1, { owners: ["a"], token: 1 }), second)).toEqual([]);
    expect(wrong(first, second, release(110, 1), acquire(120, 2, {}))).toEqual([]);
    expect(
      wrong(release(0, 1, {}, { ...unknown, ...key }), acquire(10, 1), release(100, 1, {}, key), inspect(200, 1)),
    ).toEqual([]);
  });

  test("are carried out once", () => {
    const key = { key: "k" };
    const released = [release(10, 1, {}, { ...unknown, ...key }), release(30, 1, {}, key)];
    expect(wrong(acquire(0, 1), ...released, acquire(40, 2), inspect(50, 1))).toEqual(lock);
  });
});

describe("the history of a session", () => {
  const gone = refused("session_expired", 404);

  test("ends by its close or after its time, and then for good", () => {
    const open = openSession(0, "s", 0.1);
    expect(wrong(open, renewSession(80, "s"), renewSession(150, "s"), renewSession(400, "s", gone))).toEqual([]);
    expect(wrong(open, renewSession(80, "s", gone))).toEqual(["session s"]);
    expect(wrong(open, renewSession(80, "s"), renewSession(150, "s", gone))).toEqual(["session s"]);
    expect(wrong(open, closeSession(20, "s"), renewSession(30, "s"))).toEqual(["session s"]);
    expect(wrong(open, closeSession(20, "s", unknown), renewSession(30, "s"), renewSession(40, "s", gone))).toEqual([]);
  });

  test("takes its locks along", () => {
    const taken = [openSession(0, "s", 10), acquire(10, 1, { session: "s" })];
    const closing = closeSession(20, "s", { output: { status: "released", session: "s", released: ["x"] } });
    expect(wrong(...taken, closing, acquire(30, 2, b))).toEqual([]);
    expect(wrong(...taken, acquire(30, 2, b))).toEqual(lock);
    expect(wrong(...taken, closing, acquire(30, 2, b, held))).toEqual(lock);
    expect(wrong(...taken, closeSession(20, "s"))).toEqual(lock);
    expect(wrong(...taken, release(15, 1, { session: "s" }), closing)).toEqual(lock);
  });
});

describe("the history of a fence", () => {
  test("is that of a max-register", () => {
    expect(wrong(offer(0, 3), offer(10, 2, highestIs(3)), offer(20, 3), offer(30, 4))).toEqual([]);
    expect(wrong(offer(0, 3), offer(10, 2))).toEqual(["fence r"]);
    expect(wrong(offer(0, 3), offer(10, 2, highestIs(4)))).toEqual(["fence r"]);
    expect(wrong(offer(0, 5, unknown), offer(10, 3), offer(20, 4, highestIs(5)))).toEqual([]);
    expect(wrong(offer(0, 5, unknown), offer(20, 4, highestIs(5)), offer(30, 4))).toEqual(["fence r"]);
  });
});

describe("a verdict", () => {
  test("names what cannot be linearized, what comes before it, and the records", () => {
    const [found] = checkLinearizability(historyOf(acquire(0, 1), release(10, 1), acquire(20, 1, b), acquire(90, 5)));
    expect(found?.rule).toBe("histories are linearizable");
    expect(found?.records).toEqual([1, 2, 3]);
    expect(found?.what.split("\n").map((line) => line.trim())).toEqual([
      "lock x: this cannot be linearized:",
      "20.0–25.0 ms owner:b acquires exclusive, at least until 10020.0 ms: granted exclusive, token 1",
      "the longest linearization of what came before has 2 operations and ends with",
      "0.0–5.0 ms owner:a acquires exclusive, at least until 10000.0 ms: granted exclusive, token 1",
      "10.0–15.0 ms owner:a releases 1: done",
      "→ free, highest token 1",
    ]);
  });
});
