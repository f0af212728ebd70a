import { describe, expect, test } from "bun:test";
import type { TransferEnd } from "../../../src/engine/transfers.ts";
import { handOver } from "../../../src/server/hand-over.ts";

/** A node that leads until a transfer works; each transfer ends as the test says, or never. */
function node(ends: (TransferEnd | "never")[], role: "leader" | "follower" = "leader") {
  const raft = { role, leader: 1, self: 1, configuration: { voters: [1, 2, 3], learners: [] } };
  let asked = 0;
  const host = {
    raft,
    transferLeadership(to: number, _nowMs: number, done: (end: TransferEnd) => void) {
      expect(to).toBe(0);
      const end = ends[asked++] ?? "never";
      if (end === "transferred") raft.role = "follower";
      if (end !== "never") setImmediate(() => done(end));
    },
  };
  const engine = { nowMs: () => performance.now(), wake: () => {} };
  const run = (isConnected: (replica: number) => boolean) =>
    handOver(host as unknown as Parameters<typeof handOver>[0], engine, isConnected);
  return { run, asked: () => asked };
}

describe("a node that is asked to stop", () => {
  test("hands leadership over", async () => {
    const leader = node(["transferred"]);
    await leader.run(() => true);
    expect(leader.asked()).toBe(1);
  });

  test("tries again when the first target did not take over", async () => {
    const leader = node(["timedOut", "unreachable", "transferred"]);
    await leader.run(() => true);
    expect(leader.asked()).toBe(3);
  });

  test("has nothing to hand over when it does not lead, and nobody to hand over to when no peer is connected", async () => {
    const follower = node([], "follower");
    await follower.run(() => true);
    const alone = node([]);
    await alone.run((replica) => replica === 1);
    expect([follower.asked(), alone.asked()]).toEqual([0, 0]);
  });

  test("does not wait for ever", async () => {
    const startMs = performance.now();
    await node(["never"]).run(() => true);
    expect(performance.now() - startMs).toBeLessThan(5_000);
  });
});
