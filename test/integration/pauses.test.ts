import { expect, test } from "bun:test";
import { eventually } from "../support/eventually.ts";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const PAUSE_MS = 10_000;
const IN_FLIGHT = 8;

test("a leader that was paused for ten seconds comes back to find its grants outlived and fenced off", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const paused = await cluster.leader();
  const others = cluster.others(paused);
  const [first = "", second = ""] = others;
  const old = cluster.client(paused);
  const a = success(await old.acquire("r", { owner: "a", ttl: 3 }));
  expect((await old.fence("store", a.fencing_token)).status).toBe(200);

  // On their way through the leader when it falls asleep: some were answered, some proposed, some not even read.
  const names = Array.from({ length: IN_FLIGHT }, (_, i) => `in-flight-${i}`);
  const early = names.map((name) => old.acquire(name, { owner: "c", ttl: 600, timeout: 0 }));
  await early[0];
  cluster.signal(paused, "SIGSTOP");
  const pausedAtMs = performance.now();
  // These reach a process that sleeps: the kernel takes them, and it reads them when it wakes up, still a leader to itself.
  const late = {
    read: old.inspect("r"),
    acquire: old.acquire("r", { owner: "c", timeout: 0 }),
    release: old.release("r", { owner: "a", fencing_token: a.fencing_token }),
    fence: old.fence("store", a.fencing_token),
  };

  const b = success(await cluster.client(first).acquire("r", { owner: "b", ttl: 600, timeout: 30 }));
  expect(b.fencing_token).toBeGreaterThan(a.fencing_token);
  expect(await cluster.leader(others)).not.toBe(paused);
  expect(success(await cluster.client(second).fence("store", b.fencing_token)).highest).toBe(b.fencing_token);
  const rivals = await Promise.all(
    names.map((name, i) => cluster.client(others[i % 2] ?? "").acquire(name, { owner: "d", ttl: 600, timeout: 0 })),
  );

  await eventually(() => performance.now() - pausedAtMs >= PAUSE_MS, {
    what: "the end of the pause",
    deadlineMs: 20_000,
  });
  cluster.signal(paused, "SIGCONT");

  expect((await late.read).body).toMatchObject({ status: "held", owners: ["b"], fencing_token: b.fencing_token });
  expect(await late.acquire).toMatchObject({
    status: 423,
    body: { error: { details: { holders: [{ owner: "b" }] } } },
  });
  expect(await late.release).toMatchObject({ status: 403, body: { error: { code: "not_owner" } } });
  const refused = { status: 409, body: { error: { code: "stale_token", details: { highest: b.fencing_token } } } };
  expect(await late.fence).toMatchObject(refused);
  expect(await old.fence("store", a.fencing_token)).toMatchObject(refused);
  expect(await cluster.leader()).not.toBe(paused);

  for (const [i, name] of names.entries()) {
    const mine = await early[i]!;
    const theirs = rivals[i]!;
    expect([200, 423, 504]).toContain(mine.status);
    expect([200, 423]).toContain(theirs.status);
    expect([mine.status, theirs.status]).not.toEqual([200, 200]);
    const holder = theirs.status === 200 ? theirs.body : mine.body;
    if (mine.status === 504) continue;
    for (const id of cluster.ids) {
      const shown = { status: "held", owners: [holder.owner], fencing_token: holder.fencing_token };
      expect((await cluster.client(id).inspect(name)).body).toMatchObject(shown);
    }
  }
}, 90_000);

test("a follower that was paused for longer than every lease catches up and answers nothing old", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  const leader = await cluster.leader();
  const [paused = "", other = ""] = cluster.others(leader);
  const before = await cluster.root(leader);
  success(await cluster.client(paused).acquire("r", { owner: "a", ttl: 1 }));
  cluster.signal(paused, "SIGSTOP");
  const read = cluster.client(paused).inspect("r");
  const b = success(await cluster.client(other).acquire("r", { owner: "b", timeout: 30 }));
  cluster.signal(paused, "SIGCONT");
  expect((await read).body).toMatchObject({ owners: ["b"], fencing_token: b.fencing_token });
  expect((await cluster.client(paused).acquire("s", { owner: "a" })).status).toBe(200);
  expect(await cluster.root(paused)).toMatchObject({ leader, term: before?.term });
}, 60_000);
