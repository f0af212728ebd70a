import { describe, expect, test } from "bun:test";
import { LEADER_WAIT_MS } from "../../../src/engine/ingress.ts";
import { limits } from "../../../src/kernel/limits.ts";
import { Desk, registeredDesk } from "../../support/ingress-desk.ts";

describe("a process that takes requests in", () => {
  test("registers before anything else is proposed", () => {
    const desk = new Desk();
    const ticket = desk.submit("a");
    expect(desk.pump()).toEqual(["register"]);
    expect(desk.pump()).toEqual([]);
    desk.apply(desk.proposed[0]?.sequence, "registered");
    expect(desk.pump()).toEqual(["a"]);
    desk.apply(ticket.sequence, "done");
    expect(ticket.ends).toEqual(["done"]);
  });

  test("asks again to be registered until it is", () => {
    const desk = new Desk();
    desk.pump();
    desk.pass(3_000);
    expect(desk.proposed.length).toBeGreaterThanOrEqual(3);
    expect(new Set(desk.proposed.map(({ sequence }) => sequence))).toEqual(new Set([1]));
    desk.pass(LEADER_WAIT_MS);
    expect(desk.ingress.isRegistered).toBe(false);
    expect(new Set(desk.proposed.map(({ sequence }) => sequence)).size).toBe(2);
    desk.apply(desk.proposed.at(-1)?.sequence, "registered");
    expect(desk.ingress.isRegistered).toBe(true);
  });

  test("registers anew when it finds that it is unknown, and loses nothing by it", () => {
    const desk = registeredDesk();
    const [a, b] = [desk.submit("a"), desk.submit("b")];
    desk.pump();
    desk.pass(200);
    desk.apply(a.sequence, "stale");
    desk.apply(b.sequence, "stale");
    expect(desk.pump()).toEqual(["register"]);
    desk.apply(desk.proposed.at(-1)?.sequence, "registered");
    expect(desk.pump()).toEqual(["a", "b"]);
    desk.apply(a.sequence, "done");
    expect([a.ends, b.ends]).toEqual([["done"], []]);
  });

  test("does not race with another one of its name: registrations keep a distance", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    const before = desk.proposed.length;
    for (let i = 0; i < 1_000; i++) {
      desk.nowMs++;
      const [command] = desk.pump();
      if (command === "register") desk.apply(desk.proposed.at(-1)?.sequence, "registered");
      else if (command === "a") desk.apply(a.sequence, "stale");
    }
    expect(desk.proposed.length - before).toBeLessThanOrEqual(24);
  });
});

describe("an operation", () => {
  test("ends only by an outcome that this node applied, and once", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    desk.pump();
    expect(a.ends).toEqual([]);
    desk.apply(a.sequence, "done");
    desk.apply(a.sequence, "done again");
    expect(a.ends).toEqual(["done"]);
    expect(desk.ingress.outstandingCount).toBe(0);
  });

  test("is proposed once while all goes well", () => {
    const desk = registeredDesk();
    desk.submit("a");
    expect([...desk.pump(), ...desk.pump()]).toEqual(["a"]);
    desk.pass(900);
    expect(desk.proposed).toHaveLength(2);
  });

  test("is proposed again after a change of leader, byte for byte under the same id", () => {
    const desk = registeredDesk();
    const [a] = [desk.submit("a"), desk.submit("b")];
    desk.pump();
    desk.apply(a.sequence, "done");
    desk.submit("c");
    desk.ingress.repropose();
    expect(desk.pump()).toEqual(["b", "c"]);
    const b = desk.proposed.filter(({ command }) => command === "b");
    expect(b.map(({ sequence, floor }) => [sequence, floor])).toEqual([
      [3, 2],
      [3, 2],
    ]);
  });

  test("is proposed again without an outcome after a while", () => {
    const desk = registeredDesk();
    desk.submit("a");
    desk.pump();
    desk.pass(1_100);
    expect(desk.proposed.map(({ command }) => command)).toEqual(["register", "a", "a"]);
  });

  test("that waits in the state machine is not proposed again, and ends by a later entry", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { waitMs: 30_000 });
    desk.pump();
    desk.apply(a.sequence);
    desk.ingress.repropose();
    desk.pass(20_000);
    expect(desk.proposed).toHaveLength(2);
    expect([desk.ingress.outstandingCount, desk.ingress.queuedCount]).toEqual([0, 1]);
    desk.apply(a.sequence, "granted");
    expect(a.ends).toEqual(["granted"]);
    expect(desk.ingress.queuedCount).toBe(0);
  });

  test("that never was proposed ends with a definite refusal when no leader came", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    expect(a.ends).toEqual(["no_leader"]);
    expect(desk.pump()).toEqual([]);
  });

  test("that may have been proposed ends with an unknown outcome, and is cancelled", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.pump();
    desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    expect(a.ends).toEqual(["outcome_unknown"]);
    expect(desk.pump()).toEqual([`cancel ${a.sequence}`]);
    desk.apply(a.sequence, "granted after all");
    expect(a.ends).toHaveLength(1);
  });

  test("that waits longer than its wait and a grace is answered and cancelled", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true, waitMs: 2_000 });
    desk.pump();
    desk.apply(a.sequence);
    desk.pass(11_000);
    expect(a.ends).toEqual([]);
    desk.pass(2_200);
    expect(a.ends).toEqual(["outcome_unknown"]);
    expect(desk.proposed.at(-1)?.command).toBe(`cancel ${a.sequence}`);
  });
});

describe("a refusal", () => {
  test("by a node that does not lead makes the operation unproposed again", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    desk.pump();
    desk.refuse("notLeader");
    desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    expect(a.ends).toEqual(["no_leader"]);
  });

  test("is followed by another attempt soon", () => {
    const desk = registeredDesk();
    desk.submit("a");
    desk.pump();
    desk.refuse("notLeader");
    desk.pass(90);
    expect(desk.proposed).toHaveLength(2);
    desk.pass(70);
    expect(desk.proposed).toHaveLength(3);
  });

  test("of one attempt says nothing of the others", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    desk.pump();
    desk.ingress.repropose();
    desk.pump();
    desk.refuse("notLeader", desk.proposed.slice(-1));
    desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    expect(a.ends).toEqual(["outcome_unknown"]);
  });

  test("that arrives twice counts once", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    desk.pump();
    desk.ingress.repropose();
    desk.pump();
    const first = desk.proposed.slice(1, 2);
    desk.refuse("notLeader", first);
    desk.refuse("notLeader", first);
    desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    expect(a.ends).toEqual(["outcome_unknown"]);
  });

  test("for load is definite, at the leader and elsewhere", () => {
    for (const where of ["here", "there"]) {
      const desk = registeredDesk();
      const a = desk.submit("a");
      if (where === "here") desk.answer = "overloaded";
      desk.pump();
      if (where === "there") desk.refuse("overloaded");
      expect([where, a.ends]).toEqual([where, ["limit"]]);
      desk.ingress.repropose();
      expect(desk.pump()).toEqual([]);
    }
  });

  test("for want of room is definite, at the leader and elsewhere, and names its reason", () => {
    for (const where of ["here", "there"]) {
      const desk = registeredDesk();
      const a = desk.submit("a");
      if (where === "here") desk.answer = "diskFull";
      desk.pump();
      if (where === "there") desk.refuse("diskFull");
      expect([where, a.ends]).toEqual([where, ["disk_full"]]);
    }
  });

  test("for want of room ends what is reserved only when its time is over", () => {
    const desk = registeredDesk();
    const a = desk.submit("keepalive", { reserved: true });
    desk.answer = "diskFull";
    desk.pass(LEADER_WAIT_MS - 100);
    expect(a.ends).toEqual([]);
    desk.pass(200);
    expect(a.ends).toEqual(["disk_full"]);
  });

  test("for want of room of a registration is one of all that waits for it", () => {
    const desk = new Desk();
    desk.answer = "diskFull";
    const a = desk.submit("a");
    desk.pump();
    expect(a.ends).toEqual(["disk_full"]);
    desk.answer = "sent";
    desk.pass(200);
    desk.apply(desk.proposed.at(-1)?.sequence, "registered");
    const b = desk.submit("b");
    desk.pump();
    desk.apply(b.sequence, "done");
    expect(b.ends).toEqual(["done"]);
  });

  test("for load of what may already be in a log is none", () => {
    const desk = registeredDesk();
    const a = desk.submit("a");
    desk.pump();
    desk.ingress.repropose();
    desk.answer = "overloaded";
    desk.pump();
    expect(a.ends).toEqual([]);
    desk.apply(a.sequence, "done");
    expect(a.ends).toEqual(["done"]);
  });

  test("for load ends nothing that is reserved: it is tried again soon", () => {
    const desk = registeredDesk();
    const a = desk.submit("keepalive", { reserved: true });
    desk.answer = "overloaded";
    desk.pump();
    desk.answer = "sent";
    desk.pass(160);
    expect(desk.proposed.map(({ command }) => command)).toEqual(["register", "keepalive", "keepalive"]);
    expect(a.ends).toEqual([]);
  });
});

describe("an operation that nobody waits for any more", () => {
  test("is cancelled in the log if it may have got there", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.pump();
    desk.ingress.abandon(a.sequence ?? 0, desk.nowMs);
    expect(desk.pump()).toEqual([`cancel ${a.sequence}`]);
    expect(desk.proposed.at(-1)?.reserved).toBe(true);
    expect(a.ends).toEqual([]);
  });

  test("is cancelled while it waits in the state machine", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true, waitMs: 60_000 });
    desk.pump();
    desk.apply(a.sequence);
    desk.ingress.abandon(a.sequence ?? 0, desk.nowMs);
    expect(desk.pump()).toEqual([`cancel ${a.sequence}`]);
    expect(desk.ingress.queuedCount).toBe(0);
  });

  test("is just forgotten if it never left, and if it holds nothing", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.ingress.abandon(a.sequence ?? 0, desk.nowMs);
    const b = desk.submit("b");
    expect(desk.pump()).toEqual(["b"]);
    desk.ingress.abandon(b.sequence ?? 0, desk.nowMs);
    expect(desk.pump()).toEqual([]);
  });

  test("is cancelled when its answer could not be delivered", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.pump();
    desk.apply(a.sequence, "granted");
    desk.ingress.undelivered(a.sequence ?? 0, desk.nowMs);
    expect(desk.pump()).toEqual([`cancel ${a.sequence}`]);
  });

  test("is cancelled whatever it takes: the cancel is proposed until it is applied", () => {
    const desk = registeredDesk();
    const a = desk.submit("a", { cancellable: true });
    desk.pump();
    desk.ingress.abandon(a.sequence ?? 0, desk.nowMs);
    desk.pass(20_000);
    const cancels = desk.proposed.filter(({ command }) => command.startsWith("cancel"));
    expect(cancels.length).toBeGreaterThan(15);
    expect(new Set(cancels.map(({ sequence }) => sequence)).size).toBe(1);
    desk.apply(cancels[0]?.sequence, "cancelled");
    expect(desk.ingress.outstandingCount).toBe(0);
  });

  test("is cancelled also when so many go away at once that not all cancels find room", () => {
    const desk = registeredDesk();
    const waiting: number[] = [];
    for (let i = 0; i < 20_000; i++) {
      const { sequence = 0 } = desk.submit("a", { cancellable: true, waitMs: 60_000 });
      desk.pump();
      desk.apply(sequence);
      waiting.push(sequence);
    }
    for (const sequence of waiting) desk.ingress.abandon(sequence, desk.nowMs);
    expect(desk.ingress.outstandingCount).toBe(20_000);
    const cancelled = new Set<string>();
    while (desk.ingress.outstandingCount > 0) {
      const before = desk.proposed.length;
      expect(desk.pump().length).toBeGreaterThan(0);
      // There is room left for what keeps others alive.
      if (before < 21_000) expect(desk.submit("keepalive", { reserved: true }).sequence).toBeDefined();
      for (const { command, sequence } of desk.proposed.slice(before)) {
        cancelled.add(command);
        desk.apply(sequence, "cancelled");
      }
    }
    for (const sequence of waiting) expect(cancelled.has(`cancel ${sequence}`)).toBe(true);
  });
});

describe("the floor", () => {
  test("is the lowest operation that has not been seen applied", () => {
    const desk = registeredDesk();
    const [a, b] = [desk.submit("a"), desk.submit("b")];
    desk.pump();
    expect(desk.proposed.map(({ floor }) => floor)).toEqual([1, 2, 2]);
    desk.apply(b.sequence, "done");
    desk.submit("c");
    desk.apply(a.sequence, "done");
    desk.submit("d");
    desk.pump();
    expect(desk.proposed.slice(3).map(({ floor }) => floor)).toEqual([2, 4]);
  });

  test("is an operation's own sequence when nothing else is outstanding", () => {
    const desk = registeredDesk();
    for (let i = 0; i < 10; i++) {
      const a = desk.submit("a");
      desk.pump();
      expect(desk.proposed.at(-1)?.floor).toBe(a.sequence);
      desk.apply(a.sequence, "done");
    }
  });

  test("is not held back by what waits in the state machine", () => {
    const desk = registeredDesk();
    const waiter = desk.submit("a", { waitMs: 60_000 });
    desk.pump();
    desk.apply(waiter.sequence);
    const b = desk.submit("b");
    desk.pump();
    expect(desk.proposed.at(-1)?.floor).toBe(b.sequence);
  });

  test("is held by one operation without an outcome only until the window is full", () => {
    const desk = registeredDesk();
    desk.submit("stuck", { reserved: true });
    desk.pump();
    let refused = 0;
    for (let i = 0; i < limits.maxOperationWindow; i++) {
      const { sequence, ends } = desk.submit("a");
      if (sequence === undefined) {
        refused++;
        expect(ends).toEqual(["limit"]);
        continue;
      }
      desk.pump();
      desk.apply(sequence, "done");
    }
    expect(refused).toBeWithin(limits.maxOperationWindow * 0.1 - 2, limits.maxOperationWindow * 0.1 + 2);
    expect(desk.submit("release", { reserved: true }).sequence).toBeDefined();
  });
});

describe("an ingress under load", () => {
  test("refuses at nine tenths, and takes what is reserved up to the limit", () => {
    const desk = registeredDesk();
    let taken = 0;
    while (desk.submit("a").sequence !== undefined) taken++;
    expect(taken).toBe(Math.ceil(limits.maxOutstandingOperations * 0.9));
    while (desk.submit("release", { reserved: true }).sequence !== undefined) taken++;
    expect(taken).toBe(limits.maxOutstandingOperations);
    expect(desk.submit("b").ends).toEqual(["limit"]);
  });

  test("refuses what no frame could carry, and goes on", () => {
    const desk = registeredDesk();
    expect(desk.submit("x".repeat(limits.maxProposalBytes)).ends).toEqual(["limit"]);
    expect(desk.submit("a").sequence).toBe(2);
    expect(desk.pump()).toEqual(["a"]);
  });

  test("keeps nothing of what came and went while there was no leader", () => {
    const desk = new Desk();
    for (let i = 0; i < 3; i++) {
      for (let j = 0; j < 1_000; j++) desk.ingress.abandon(desk.submit("a").sequence ?? 0, desk.nowMs);
      for (let j = 0; j < 1_000; j++) desk.submit("b");
      desk.pass(LEADER_WAIT_MS + 100, { leader: false });
    }
    expect(desk.ingress.outstandingCount).toBe(0);
    desk.register();
    expect(desk.pump()).toEqual([]);
    expect(keptOperations(desk.ingress)).toBe(0);
  });

  test("proposes at most once a turn when the leader takes nothing", () => {
    const desk = registeredDesk();
    desk.submit("a");
    desk.answer = "unsent";
    expect([...desk.pump(), ...desk.pump()]).toEqual(["a", "a"]);
    desk.answer = "sent";
    expect([...desk.pump(), ...desk.pump()]).toEqual(["a"]);
  });
});

/** Everything in the ingress's collections, whatever they are called. */
function keptOperations(ingress: object): number {
  let kept = 0;
  for (const value of Object.values(ingress)) {
    if (value instanceof Map || value instanceof Set) kept += value.size;
    else if (Array.isArray(value)) kept += value.length;
  }
  return kept;
}
