import { describe, expect, test } from "bun:test";
import type { HistoryRecord } from "../../torture/history.ts";
import { judge } from "../../torture/judge.ts";
import {
  acquire,
  broken,
  closeSession,
  highestIs,
  historyOf,
  inspect,
  list,
  lockState,
  offer,
  openSession,
  refused,
  release,
  renewSession,
  unknown,
} from "./records.ts";

const b = { owner: "b" };
const reader = (owner: string) => ({ owner, mode: "shared" as const });

describe("the judge of histories", () => {
  test("finds nothing in one that is right", () => {
    const fine = [
      ...[acquire(0, 1), offer(10, 1), acquire(20, 1), release(30, 1), release(40, 1, {}, refused("not_held", 404))],
      ...[
        acquire(50, 2, reader("r1")),
        acquire(52, 2, reader("r2")),
        inspect(60, 5, { owners: ["r1", "r2"], token: 2 }),
      ],
      ...[release(70, 2, { owner: "r1" }), release(80, 2, { owner: "r2" }), inspect(90, 8)],
      ...[openSession(100, "s", 1), acquire(110, 3, { session: "s" }), renewSession(900, "s")],
      ...[
        acquire(950, 3, { session: "s" }),
        closeSession(1_000, "s"),
        renewSession(1_010, "s", refused("session_expired", 404)),
      ],
      ...[acquire(1_100, 4, { ttl: 0.1 }), acquire(1_150, 5, b, { to_us: 1_201_000 }), offer(1_210, 5)],
      ...[offer(1_220, 4, highestIs(5)), release(1_230, 4, {}, refused("not_owner", 403)), release(1_240, 5, b)],
    ];
    expect(judge(historyOf(...fine))).toEqual([]);
  });

  test("says which records show a violation", () => {
    const [found] = judge(historyOf(acquire(0, 5), release(10, 5), offer(15, 1), acquire(20, 4, b)));
    expect(found).toEqual({
      rule: "tokens rise",
      what: "owner:b's exclusive x (token 4) was asked for after owner:a's exclusive x (token 5) had been granted",
      records: [1, 4],
    });
  });
});

describe("tokens", () => {
  test("that fall in real-time order are found", () => {
    expect(broken(acquire(0, 5), release(10, 5), acquire(20, 4, b))).toEqual(["tokens rise"]);
    expect(broken(acquire(0, 5, reader("r1")), release(10, 5, { owner: "r1" }), acquire(20, 4, reader("r2")))).toEqual([
      "tokens rise",
    ]);
  });

  test("may come in any order when the requests overlap", () => {
    const late = acquire(0, 4, b, { to_us: 30_000 });
    expect(broken(late, acquire(10, 5), release(16, 5))).not.toContain("tokens rise");
  });

  test("of two holders are found, and of two locks", () => {
    expect(broken(acquire(0, 5, { ttl: 0.1 }), acquire(2, 5, b, { to_us: 300_000 }))).toEqual([
      "a token is of one hold or one shared phase",
    ]);
    expect(broken(acquire(0, 5), acquire(2, 5, { lock: "y" }))).toEqual(["a token is of one hold or one shared phase"]);
    expect(broken(acquire(0, 5, reader("r1")), acquire(2, 5, { owner: "r2" }))).toContain(
      "a token is of one hold or one shared phase",
    );
  });
});

describe("leases", () => {
  const rule = "a lease is never shorter than promised";

  test("of owners that are cut short are found", () => {
    expect(broken(acquire(0, 1, { ttl: 0.1 }), acquire(50, 2, b, { to_us: 99_000 }))).toEqual([rule]);
    expect(broken(acquire(0, 1, { ttl: 0.1 }), acquire(50, 2, b, { to_us: 101_000 }))).toEqual([]);
    expect(broken(acquire(0, 1, reader("r")), acquire(50, 2, b))).toEqual([rule]);
  });

  test("are counted from the last renewal that was acknowledged", () => {
    const renewed = [acquire(0, 1, { ttl: 0.1 }), acquire(90, 1, { ttl: 0.1 })];
    expect(broken(...renewed, acquire(120, 2, b, { to_us: 189_000 }))).toEqual([rule]);
    expect(broken(renewed[0]!, acquire(90, 1, { ttl: 0.1 }, unknown), acquire(120, 2, b))).toEqual([]);
  });

  test("may end with a release, whatever became of it", () => {
    expect(broken(acquire(0, 1), release(20, 1), acquire(50, 2, b))).toEqual([]);
    expect(broken(acquire(0, 1), release(20, 1, {}, unknown), acquire(50, 2, b))).toEqual([]);
    expect(broken(acquire(0, 1), release(20, 1, {}, refused("no_leader", 503)), acquire(50, 2, b))).toEqual([rule]);
  });

  test("of sessions are counted from when the renewal was sent", () => {
    const kept = [openSession(0, "s", 0.1), acquire(10, 1, { session: "s" }), renewSession(80, "s")];
    expect(broken(...kept, acquire(100, 2, b, { to_us: 179_000 }))).toEqual([rule]);
    expect(broken(...kept, acquire(100, 2, b, { to_us: 181_000 }))).toEqual([]);
    expect(broken(...kept, closeSession(90, "s", unknown), acquire(100, 2, b))).toEqual([]);
  });

  test("of a reader that became the writer go on under the new token", () => {
    const upgraded = [acquire(0, 1, reader("a")), acquire(10, 2)];
    expect(broken(...upgraded, release(20, 2), acquire(30, 3, b))).toEqual([]);
    expect(broken(...upgraded, acquire(30, 3, b))).toEqual([rule]);
  });
});

describe("holds", () => {
  const rule = "an acknowledged hold is not lost";

  test("that are lost are found by what their holder is told", () => {
    expect(broken(acquire(0, 1), release(10, 1, {}, refused("not_held", 404)))).toEqual([rule]);
    expect(broken(acquire(0, 1), acquire(10, 2))).toEqual([rule]);
    expect(broken(acquire(0, 1), acquire(10, 1, {}, refused("lock_held", 423)))).toEqual([rule]);
    expect(broken(acquire(0, 1), release(10, 7, {}, refused("stale_token", 409)))).toEqual([]);
  });

  test("that are lost, or were never given, are found by reads", () => {
    expect(broken(acquire(0, 1), inspect(10, 5))).toEqual([rule]);
    expect(broken(acquire(0, 1, { ttl: 0.1 }), inspect(200, 5))).toEqual([]);
    const ghost = "nobody holds what nobody was given";
    expect(broken(acquire(0, 1, {}, refused("lock_held", 423)), inspect(10, 5, { owners: ["a"], token: 1 }))).toEqual([
      ghost,
    ]);
    expect(broken(acquire(0, 1, {}, unknown), inspect(10, 5, { owners: ["a"], token: 1 }))).toEqual([]);
    expect(broken(acquire(0, 1), release(10, 1), inspect(20, 5, { owners: ["a"], token: 1 }))).toEqual([ghost]);
  });

  test("are released by their holder, and once", () => {
    expect(broken(release(0, 1))).toEqual(["only a holder releases"]);
    expect(broken(acquire(0, 1), release(10, 1), release(20, 1))).toEqual(["a hold is released once"]);
    expect(broken(acquire(0, 1, { ttl: 0.1 }), acquire(120, 2, b), release(130, 1))).toEqual([
      "a stale holder releases nothing",
    ]);
    const lives = [acquire(0, 1), release(10, 1), acquire(20, 2)];
    expect(broken(...lives, release(30, 1, {}, refused("stale_token", 409)), release(40, 2))).toEqual([]);
    expect(broken(...lives, release(30, 1))).toContain("a stale holder releases nothing");
  });
});

describe("sessions", () => {
  test("that end before their time are found", () => {
    const gone = refused("session_expired", 404);
    const rule = "a session lives as long as promised";
    expect(broken(openSession(0, "s", 0.1), renewSession(50, "s", gone))).toEqual([rule]);
    expect(broken(openSession(0, "s", 0.1), renewSession(100, "s", gone))).toEqual([]);
    expect(broken(openSession(0, "s", 0.1), renewSession(50, "s"), renewSession(120, "s", gone))).toEqual([rule]);
    expect(broken(openSession(0, "s", 9), closeSession(10, "s", unknown), renewSession(120, "s", gone))).toEqual([]);
  });

  test("that come back are found", () => {
    const rule = "a session that is over stays over";
    expect(broken(openSession(0, "s", 9), closeSession(10, "s"), renewSession(20, "s"))).toEqual([rule]);
    const expired = renewSession(110, "s", refused("session_expired", 404));
    expect(broken(openSession(0, "s", 0.1), expired, acquire(120, 1, { session: "s" }))).toContain(rule);
  });
});

describe("fences", () => {
  const rule = "a fence is a max-register";

  test("that take a smaller token after a larger one are found", () => {
    expect(broken(offer(0, 5), offer(10, 4))).toEqual([rule]);
    expect(broken(offer(0, 5, { to_us: 50_000 }), offer(10, 4))).toEqual([]);
    expect(broken(offer(0, 5, unknown), offer(10, 4))).toEqual([]);
  });

  test("that answer what nobody offered, or refuse the highest, are found", () => {
    expect(broken(offer(0, 3, highestIs(5)))).toEqual([rule]);
    expect(broken(offer(0, 5, unknown), offer(10, 3, highestIs(5)))).toEqual([]);
    expect(broken(offer(0, 5, refused("no_leader", 503)), offer(10, 3, highestIs(5)))).toEqual([rule]);
    expect(broken(offer(0, 5), offer(10, 5, highestIs(5)))).toEqual([rule]);
    expect(broken(offer(0, 5), offer(10, 3, highestIs(5)), offer(20, 3, highestIs(4)))).toEqual([rule]);
  });
});

describe("keys", () => {
  test("with two results are found", () => {
    const key = { key: "k" };
    const held = { ...refused("lock_held", 423), ...key };
    expect(broken(acquire(0, 1, {}, { ...unknown, ...key }), acquire(10, 1, {}, key), acquire(20, 1, {}, key))).toEqual(
      [],
    );
    expect(broken(acquire(0, 1, {}, key), acquire(10, 2, {}, key))).toContain("a key has one result");
    expect(broken(acquire(0, 1, {}, held), acquire(10, 2, {}, key))).toContain("a key has one result");
    expect(broken(acquire(0, 1, {}, { ...refused("no_leader", 503), ...key }), acquire(10, 2, {}, key))).toEqual([]);
  });

  test("date a grant from the first request with them, which may have been given it", () => {
    const first = acquire(0, 1, { ttl: 0.1 }, { ...unknown, key: "k" });
    const between = acquire(150, 2, b);
    expect(broken(first, between, release(160, 2, b), acquire(170, 1, { ttl: 0.1 }, { key: "k" }))).toEqual([]);
  });
});

describe("reads", () => {
  test("that go back in time are found", () => {
    expect(broken(inspect(0, 9), inspect(10, 8))).toEqual(["reads are linearizable"]);
    expect(broken({ ...inspect(0, 9), to_us: 20_000 }, inspect(10, 8))).toEqual([]);
    expect(broken(acquire(0, 4, { ttl: 0.1 }), inspect(10, 5, { owners: ["z"], token: 3 }))).toContain("tokens rise");
  });
});

describe("queues", () => {
  const waiting = (owner: string, atMs: number, token: number, untilMs: number) =>
    acquire(atMs, token, { owner }, { to_us: untilMs * 1_000 });
  const head = [acquire(0, 1), inspect(40, 5, { owners: ["a"], token: 1, waiters: ["b", "c"] }), release(60, 1)];

  test("whose order is not kept are found", () => {
    const rule = "waiters are served first come, first served";
    expect(broken(...head, waiting("b", 10, 2, 70), release(71, 2, b), waiting("c", 12, 3, 80))).toEqual([]);
    expect(broken(...head, waiting("b", 10, 3, 80), waiting("c", 12, 2, 70), release(71, 2, { owner: "c" }))).toEqual([
      rule,
    ]);
    const newcomer = [waiting("n", 50, 2, 70), release(71, 2, { owner: "n" })];
    expect(broken(...head, ...newcomer, waiting("b", 10, 3, 80))).toEqual([rule]);
  });
});

describe("circles", () => {
  test("that wait are found in reads of all locks", () => {
    const held = (owner: string, ...waiters: [string, string][]) => lockState("exclusive", [owner], waiters);
    const rule = "a circle of waits is refused";
    expect(broken(list(0, 5, { x: held("a", ["b", "exclusive"]), y: held("b", ["c", "exclusive"]) }))).toEqual([]);
    expect(broken(list(0, 5, { x: held("a", ["b", "exclusive"]), y: held("b", ["a", "shared"]) }))).toEqual([rule]);
    // Through a place in a queue, with no holder in between.
    const readers = lockState(
      "shared",
      ["a"],
      [
        ["b", "exclusive"],
        ["c", "shared"],
      ],
    );
    expect(broken(list(0, 5, { x: readers, y: held("c", ["b", "exclusive"]) }))).toEqual([rule]);
    expect(broken(list(0, 5, { x: readers, y: held("c", ["a", "exclusive"]) }))).toEqual([rule]);
    expect(broken(list(0, 5, { x: readers, y: held("a", ["c", "exclusive"]) }))).toEqual([]);
  });

  test("that are shown, and do not exist, are found", () => {
    const waits = (owner: string, lock_name: string, blocked_by: string) => ({ owner, lock_name, blocked_by });
    const deadlock = (...cycle: object[]) => {
      const error = { code: "deadlock", message: "", details: { cycle } };
      return acquire(50, 0, {}, { ...refused("deadlock", 409), output: { detail: "", error } });
    };
    const other = { owner: "b", lock: "y", timeout: 1 };
    const held = [acquire(0, 3, { lock: "y" }), acquire(2, 4, { owner: "b" })];
    const pending = [...held, acquire(40, 0, other, { ...refused("lock_held", 423), to_us: 90_000 })];
    const ended = [...held, acquire(10, 0, other, refused("lock_held", 423))];
    const circle = [waits("a", "x", "b"), waits("b", "y", "a")];
    const rule = "a circle that is shown exists";
    expect(broken(...pending, deadlock(...circle))).toEqual([]);
    expect(broken(...ended, deadlock(...circle))).toEqual([rule]);
    expect(broken(...pending, deadlock(waits("a", "x", "b"), waits("b", "y", "c")))).toEqual([rule]);
    expect(broken(...pending, deadlock(...circle.toReversed()))).toEqual([rule]);
    expect(broken(...pending, deadlock())).toEqual([rule]);
    expect(broken(held[0]!, pending[2]!, deadlock(...circle))).toEqual([rule]);
  });
});

describe("the cluster", () => {
  const view = (node: string, role: string, term: number): HistoryRecord => ({
    ...{ type: "view", n: 0, node, role, term, leader: null, from_us: 0, to_us: 1 },
  });
  const replica = (node: string, locks: object): HistoryRecord => ({
    ...{ type: "replica", n: 0, node, as_of_index: 7, locks: { ...locks }, sessions: [] },
  });

  test("has one leader a term, and terms that never fall", () => {
    expect(broken(view("node1", "leader", 3), view("node2", "leader", 4), view("node1", "follower", 4))).toEqual([]);
    expect(broken(view("node1", "leader", 3), view("node2", "leader", 3))).toEqual(["one leader a term"]);
    expect(broken(view("node1", "follower", 3), view("node1", "follower", 2))).toEqual(["terms never fall"]);
  });

  test("has nodes that stay up, that recover, and that agree", () => {
    expect(broken({ type: "exit", n: 0, node: "node1", code: 1, at_us: 0 })).toEqual(["nodes stay up"]);
    const recovery = { type: "recovery", n: 0, what: "a leader", from_us: 0, to_us: 1 } as const;
    expect(broken({ ...recovery, done: true })).toEqual([]);
    expect(broken({ ...recovery, done: false })).toEqual(["a healed cluster recovers"]);
    expect(broken(replica("node1", { x: {} }), replica("node2", { x: {} }))).toEqual([]);
    expect(broken(replica("node1", { x: {} }), replica("node2", {}))).toEqual(["replicas agree"]);
  });

  test("answers as its operations say", () => {
    const rule = "answers are as documented";
    expect(broken(acquire(0, 1, {}, refused("not_held", 404)))).toEqual([rule]);
    expect(broken(acquire(0, 1, {}, refused("lock_held", 409)))).toEqual([rule]);
    expect(broken(acquire(0, 1, {}, { outcome: "unknown", status: 500, code: "internal" }))).toEqual([rule]);
    expect(broken(acquire(0, 1, {}, { output: { ...acquire(0, 1).output, secret: "s" } }))).toEqual([rule]);
  });
});
