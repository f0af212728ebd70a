import { describe, expect, test } from "bun:test";
import { checkLinearizability } from "../../torture/checks/linearizability.ts";
import type { HistoryRecord, OperationRecord } from "../../torture/history.ts";
import { inspectSemaphore, limitIs, permits, releasePermits } from "./permit-records.ts";
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

describe("the history of a semaphore", () => {
  const pool = ["semaphore x"];
  const asB = { owner: "b" };
  const read = inspectSemaphore;

  test("that one machine could have is fine", () => {
    const two = [permits(0, 1, [0, 1]), permits(10, 2, [2], asB), permits(20, 0, [], { owner: "c", permits: 1 }, held)];
    const shown = read(30, 1, { held: { a: [1, 0, 1], b: [2, 2] } });
    const after = [
      releasePermits(40, 1),
      permits(50, 3, [0], { owner: "c" }),
      read(60, 2, { held: { b: [2, 2], c: [3, 0] } }),
    ];
    expect(wrong(...two, shown, ...after, releasePermits(70, undefined, "b"), releasePermits(80, 3, "c"))).toEqual([]);
    expect(wrong(permits(0, 1, [0]), permits(10, 1, [0]), releasePermits(20, 1), read(30, 1))).toEqual([]);
    expect(wrong(permits(0, 1, [0]), permits(10, 0, [], { permits: 2 }, conflictIs(1)))).toEqual([]);
    expect(wrong(permits(0, 1, [0]), permits(10, 0, [], { ...asB, permits: 1, limit: 2 }, limitIs(3)))).toEqual([]);
    expect(
      wrong(releasePermits(0, 1, "a", notHeld), permits(10, 1, [0]), releasePermits(20, 1, "b", notOwner)),
    ).toEqual([]);
  });

  test("with a slot that two hold, one beyond the limit, or another number of them is not", () => {
    expect(wrong(permits(0, 1, [0]), permits(10, 2, [0], asB))).toEqual(pool);
    expect(wrong(permits(0, 1, [3]))).toEqual(pool);
    expect(wrong(permits(0, 1, [0, 1], { permits: 1 }))).toEqual(pool);
    expect(wrong(permits(0, 1, [0, 1, 2]), permits(10, 2, [3], { ...asB, limit: 4 }))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), permits(10, 2, [1]))).toEqual(pool);
  });

  test("with a token that does not rise for its slot is not", () => {
    const again = (token: number, slot: number) => [
      permits(0, 5, [0]),
      releasePermits(10, 5),
      permits(20, token, [slot], asB),
    ];
    expect(wrong(...again(5, 0))).toEqual(pool);
    expect(wrong(...again(4, 0))).toEqual(pool);
    expect(wrong(...again(6, 0))).toEqual([]);
    // Of another slot nothing is promised.
    expect(wrong(...again(4, 1))).toEqual([]);
  });

  test("refuses only where too few are free, or somebody who waits may be ahead", () => {
    const one = { ...asB, permits: 1 };
    expect(wrong(permits(0, 1, [0, 1]), permits(10, 0, [], one, held))).toEqual(pool);
    expect(wrong(permits(0, 1, [0, 1]), permits(10, 0, [], { ...one, permits: 2 }, held))).toEqual([]);
    const waits = permits(8, 2, [0, 1], { owner: "c" }, { to_us: 60_000 });
    const ahead = [permits(0, 1, [0, 1]), waits, permits(10, 0, [], one, held), releasePermits(30, 1)];
    expect(wrong(...ahead)).toEqual([]);
    expect(wrong(permits(0, 0, [], one, held))).toEqual(pool);
    expect(wrong(permits(0, 0, [], { ...one, limit: 2 }, limitIs(3)))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), permits(10, 0, [], { permits: 2 }, conflictIs(2)))).toEqual(pool);
  });

  test("with a lost grant, a lost release or a stale holder's release is not", () => {
    expect(wrong(permits(0, 1, [0]), read(10, 1))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), releasePermits(10, 1), read(20, 1, { held: { a: [1, 0] } }))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), releasePermits(10, 1), releasePermits(20, 1))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), releasePermits(10, 2))).toEqual(pool);
    expect(wrong(permits(0, 1, [0]), releasePermits(10, 2, "a", highestIs(1)))).toEqual([]);
    expect(wrong(permits(0, 1, [0]), releasePermits(10, 2, "a", highestIs(3)))).toEqual(pool);
  });

  test("lets a lease end late, and not early", () => {
    const short = permits(0, 1, [0, 1, 2], { ttl: 0.1 });
    expect(wrong(short, permits(50, 2, [0], asB, { to_us: 99_000 }))).toEqual(pool);
    expect(wrong(short, permits(50, 2, [0], asB, { to_us: 101_000 }))).toEqual([]);
    expect(wrong(short, read(500, 1, { held: { a: [1, 0, 1, 2] } }), read(510, 2))).toEqual([]);
    expect(wrong(short, read(500, 1), read(510, 2, { held: { a: [1, 0, 1, 2] } }))).toEqual(pool);
    // Who is said to hold one of them now is not said to hold all of them later.
    const taken = [short, permits(200, 2, [0], asB)];
    expect(wrong(...taken, releasePermits(210, 1))).toEqual(pool);
    expect(wrong(...taken, permits(210, 3, [0], { ...asB, limit: 2 }))).toEqual(pool);
  });

  test("keeps a grant that nobody heard of possible, until something denies it", () => {
    const lost = permits(0, 0, [], { permits: 2 }, unknown);
    const both = { held: { a: [7, 0, 1], b: [8, 2] } } as const;
    expect(wrong(lost, permits(10, 8, [2], asB), read(20, 1, both), read(30, 2, { held: { b: [8, 2] } }))).toEqual([]);
    expect(wrong(lost, read(10, 1), permits(20, 8, [0], asB), read(30, 2, { held: { b: [8, 0] } }))).toEqual([]);
    expect(wrong(lost, permits(10, 8, [1], asB), read(20, 1, { held: { a: [7, 0, 1] } }))).toEqual(pool);
    expect(wrong(lost, permits(10, 8, [1, 2], asB), read(20, 1, { held: { a: [7, 0, 1], b: [8, 1, 2] } }))).toEqual(
      pool,
    );
    expect(wrong(lost, read(20, 1, { held: { a: [7, 0] } }))).toEqual(pool);
  });

  test("ends with its session", () => {
    const taken = [openSession(0, "s", 10), permitsOf("s", 10)];
    const closing = (released: string[]) => {
      const output = { status: "released", session: "s", released: [], released_semaphores: released };
      return closeSession(20, "s", { output });
    };
    expect(wrong(...taken, closing(["x"]), permits(30, 2, [0], asB))).toEqual([]);
    expect(wrong(...taken, closing([]))).toEqual(pool);
    expect(wrong(...taken, permits(30, 2, [0], asB))).toEqual(pool);
    expect(wrong(...taken, closing(["x"]), read(40, 1, { held: { "session-s": [1, 0] } }))).toEqual(pool);
  });
});

/** Slot 0 of a session, with token 1. */
function permitsOf(session: string, atMs: number): OperationRecord {
  const granted = permits(atMs, 1, [0]);
  const { owner: _owner, ttl: _ttl, ...input } = granted.input;
  return {
    ...granted,
    input: { ...input, session },
    output: { ...granted.output, session, owner: `session-${session}` },
  };
}

/** A refusal for the number of permits that the owner has. */
function conflictIs(has: number): Partial<OperationRecord> {
  const error = { code: "permits_conflict", message: "", details: { permits: has } };
  return { outcome: "error", status: 409, code: "permits_conflict", output: { detail: "", error } };
}

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
