import { describe, expect, test } from "bun:test";
import { ELECTION_MS, RaftCluster } from "../../support/raft-cluster.ts";

const lastIndex = (cluster: RaftCluster, id: number): number => cluster.replica(id).disk.entries.length;
const appends = (cluster: RaftCluster, to: number): number =>
  cluster.sent.filter((message) => message.type === "append" && message.to === to && message.entries.length > 0).length;

describe("a follower whose disk is full (D9)", () => {
  test("acknowledges nothing that it could not append, and the others go on without it", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    const before = lastIndex(cluster, 3);
    cluster.replica(3).fullDisk = true;
    expect(cluster.propose(1, "x")).toBe("accepted");
    cluster.settle();
    expect(cluster.replica(1).applied).toEqual(["x"]);
    expect(lastIndex(cluster, 3)).toBe(before);
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(before);
  });

  test("appends what there is room for, and acknowledges no more", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const payload of ["a", "b", "c"]) cluster.propose(1, payload);
    let room = 2;
    cluster.replica(3).takes = () => room-- > 0;
    cluster.settle();
    expect(cluster.raft(1).follower(3)?.matchIndex).toBe(3);
    cluster.replica(3).takes = () => true;
    cluster.pass(2 * ELECTION_MS);
    expect(cluster.replica(3).applied).toEqual(["a", "b", "c"]);
  });

  test("keeps answering heartbeats: its leader is not deposed, and it still votes", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    for (const id of [2, 3]) cluster.replica(id).fullDisk = true;
    cluster.propose(1, "x");
    cluster.pass(10 * ELECTION_MS);
    expect(cluster.leaders).toEqual([1]);
    expect(cluster.raft(1).term).toBe(1);
    cluster.crash(2);
    cluster.forgetLeader(3);
    cluster.elect(1);
    expect(cluster.leaders).toEqual([1]);
  });

  test("truncates nothing to make way for an entry that it cannot append", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.isolate(1);
    cluster.propose(1, "lost");
    cluster.settle();
    const { disk } = cluster.replica(1);
    const before = [...disk.entries];
    cluster.replica(1).takes = () => false;
    cluster.forgetLeader(2, 3);
    cluster.elect(2);
    cluster.heal();
    cluster.propose(2, "kept");
    cluster.pass(2 * ELECTION_MS);
    expect(disk.entries).toEqual(before);
    cluster.replica(1).takes = () => true;
    cluster.pass(3 * ELECTION_MS);
    expect(cluster.replica(1).applied).toEqual(["kept"]);
  });

  test("is sent no entries once it is held, and all of them when it is let go", () => {
    const cluster = new RaftCluster(3);
    cluster.elect(1);
    cluster.replica(3).fullDisk = true;
    cluster.raft(1).hold(3, true);
    for (let i = 0; i < 20; i++) cluster.propose(1, `x${i}`);
    cluster.settle();
    const before = appends(cluster, 3);
    cluster.pass(5 * ELECTION_MS);
    expect(appends(cluster, 3)).toBe(before);
    cluster.replica(3).fullDisk = false;
    cluster.raft(1).hold(3, false);
    cluster.settle();
    expect(cluster.replica(3).applied).toHaveLength(20);
  });
});

test("with all disks full a new leader opens its term and answers reads, also after every connection broke (D9)", () => {
  const cluster = new RaftCluster(3);
  cluster.elect(1);
  cluster.propose(1, "x");
  cluster.settle();
  for (const id of [1, 2, 3]) cluster.replica(id).fullDisk = true;
  cluster.forgetLeader(2, 3);
  cluster.crash(1);
  cluster.lose((message) => message.type === "append");
  cluster.elect(2);
  expect(cluster.raft(2).established).toBe(false);
  for (const id of [1, 3]) cluster.raft(2).hold(id, true);
  cluster.raft(2).disconnected(3);
  cluster.heal();
  cluster.pass(ELECTION_MS);
  expect(cluster.raft(2).established).toBe(true);
  expect(cluster.raft(2).read(7)).toBe(true);
  cluster.pass(ELECTION_MS);
  expect(cluster.replica(2).readsReady).toMatchObject([{ id: 7 }]);
  expect(cluster.propose(2, "y", true)).toBe("noRoom");
});

test("lease time that is halted stands still, and does not jump when it runs again (R9, T1)", () => {
  const cluster = new RaftCluster(3);
  cluster.elect(1);
  cluster.pass(1_000);
  const { leaseTime } = cluster.raft(1);
  const haltedMs = leaseTime.nowMs;
  expect(haltedMs).toBeGreaterThan(800);
  leaseTime.halted = true;
  cluster.pass(60_000);
  expect(leaseTime.nowMs).toBe(haltedMs);
  leaseTime.halted = false;
  cluster.propose(1, "x");
  cluster.pass(100);
  expect(leaseTime.nowMs - haltedMs).toBeWithin(0, 201);
  const stamps = cluster.replica(1).disk.entries.map((entry) => entry.leaseTimeMs);
  expect(stamps).toEqual(stamps.toSorted((a, b) => a - b));
});
