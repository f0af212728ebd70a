import { bench, do_not_optimize, group, run } from "mitata";
import { decodeCommand, encodeCommand } from "../../src/locks/codec.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";
import type { LockCommand } from "../../src/locks/types.ts";

/**
 * What the state machine costs per operation, codec included; and locks with very many waiters, which must cost others nothing
 * and each of their own operations the same however many there are.
 */

const WAITERS = 100_000;

class Feed {
  readonly machine = new LockMachine();
  private index = 0;
  private sequence = 0;

  constructor() {
    this.apply({ type: "registerIngress", node: "node1" });
  }

  apply(command: LockCommand): void {
    const sequence = ++this.sequence;
    const payload = encodeCommand({ ingress: 7, sequence, floor: sequence, idempotencyKey: undefined, command });
    this.machine.apply({ index: ++this.index, kind: "command", leaseTimeMs: 0, payload }, ignore);
  }

  acquire(lock: string, id: string, kind: "owner" | "once"): void {
    const principal = kind === "owner" ? { kind, name: id } : { kind, id, node: "node1" };
    this.apply({ type: "acquire", lock, mode: "exclusive", principal, ttlMs: 30_000, waitMs: 60_000 });
  }
}

function ignore(): void {}

const acquire: LockCommand = {
  type: "acquire",
  lock: "orders/4711",
  mode: "exclusive",
  principal: { kind: "owner", name: "billing-worker-3" },
  ttlMs: 30_000,
  waitMs: 10_000,
};
const release: LockCommand = {
  type: "release",
  lock: "orders/4711",
  holder: { kind: "owner", name: "billing-worker-3" },
  fencingToken: undefined,
};
const envelope = {
  ingress: 2 ** 50 + 3,
  sequence: 123_456,
  floor: 123_400,
  idempotencyKey: undefined,
  command: acquire,
};
const bytes = encodeCommand(envelope);

group("codec", () => {
  bench("encode an acquire", () => do_not_optimize(encodeCommand(envelope)));
  bench("decode an acquire", () => do_not_optimize(decodeCommand(bytes)));
});

group("apply, encoding included", () => {
  const free = new Feed();
  bench("acquire + release of a free lock", () => {
    free.apply(acquire);
    free.apply(release);
  });
  const loaded = new Feed();
  for (let i = 0; i < WAITERS; i++) loaded.acquire(`held-${i}`, `owner-${i}`, "owner");
  bench(`acquire + release beside ${WAITERS} held locks`, () => {
    loaded.apply(acquire);
    loaded.apply(release);
  });
});

const owner = (name: string) => ({ kind: "owner", name }) as const;
const claim = { principal: owner("billing-worker-3"), ttlMs: 30_000, waitMs: 10_000 };

group("several at once, encoding included", () => {
  const names = Array.from({ length: 8 }, (_, i) => `account/${i}`);
  const locks = names.map((lock) => ({ lock, mode: "exclusive" as const }));
  const free = new Feed();
  bench("multi-lock of 8 free locks + 8 releases", () => {
    free.apply({ type: "acquireAll", locks, ...claim });
    for (const lock of names) free.apply({ ...release, lock });
  });
  const pool = new Feed();
  const { holder, fencingToken } = release;
  bench("3 permits of 100 + release", () => {
    pool.apply({ type: "acquirePermits", semaphore: "pool", permits: 3, limit: 100, ...claim });
    pool.apply({ type: "releasePermits", semaphore: "pool", holder, fencingToken });
  });
});

group("beside long queues, encoding included", () => {
  const besides: [string, (i: number) => LockCommand][] = [
    ["waiters of one lock", (i) => ({ ...acquire, lock: "hot", principal: owner(`w${i}`) })],
    ["waiters for permits", (i) => ({ ...permitOf("pool"), principal: owner(`w${i}`) })],
    [
      "multi-locks that wait to read it and another",
      (i) => ({ ...reading("orders/4711", "hot"), principal: owner(`w${i}`) }),
    ],
  ];
  for (const [what, waiter] of besides) {
    const feed = new Feed();
    feed.apply({ ...acquire, lock: "hot", principal: owner("first") });
    feed.apply({ ...permitOf("pool"), principal: owner("first") });
    for (let i = 0; i < WAITERS; i++) feed.apply(waiter(i));
    const mode = what.includes("read") ? "shared" : "exclusive";
    bench(`acquire + release (${mode}) of a lock beside ${WAITERS} ${what}`, () => {
      feed.apply({ ...acquire, mode });
      feed.apply(release);
    });
  }
  for (const length of [100, WAITERS]) {
    const feed = new Feed();
    let first = 0;
    let last = length;
    for (let i = 0; i <= length; i++) feed.acquire("hot", `w${i}`, "owner");
    bench(`release that grants + new waiter, ${length} waiters`, () => {
      feed.apply({ ...release, lock: "hot", holder: owner(`w${first++}`) });
      feed.acquire("hot", `w${++last}`, "owner");
    });
  }
});

function permitOf(semaphore: string): Extract<LockCommand, { type: "acquirePermits" }> {
  return { type: "acquirePermits", semaphore, permits: 1, limit: 1, ...claim };
}

function reading(first: string, then: string): Extract<LockCommand, { type: "acquireAll" }> {
  const locks = [
    { lock: first, mode: "shared" as const },
    { lock: then, mode: "exclusive" as const },
  ];
  return { type: "acquireAll", locks, ...claim };
}

await run();

for (const kind of ["once", "owner"] as const) {
  const feed = new Feed();
  const ids = Array.from({ length: WAITERS + 1 }, (_, i) => `id-${i}`);
  const startMs = performance.now();
  for (const id of ids) feed.acquire("hot", id, kind);
  const queuedMs = performance.now();
  for (const id of ids) {
    const holder = kind === "owner" ? { kind, name: id } : ({ kind: "onceId", id } as const);
    feed.apply({ type: "release", lock: "hot", holder, fencingToken: undefined });
  }
  const drainedMs = performance.now();
  const perOperation = (ms: number) => `${((ms * 1000) / WAITERS).toFixed(2)} µs each`;
  console.log(
    `${WAITERS} waiters (${kind}) on one lock: enqueued in ${(queuedMs - startMs).toFixed(0)} ms (${perOperation(queuedMs - startMs)}),` +
      ` drained in ${(drainedMs - queuedMs).toFixed(0)} ms (${perOperation(drainedMs - queuedMs)})`,
  );
}
