import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { circling, pairs } from "./names.ts";

/** One holds permits and asks for a lock, whose holder asks for permits: a circle, unless others hold enough of them. */
export const permitCircles: WorkloadKind = {
  name: "permit-circles",
  weight: 2,
  async round(client) {
    const { prng } = client;
    const ring = prng.pick(circling);
    const lock = prng.pick(pairs);
    const third = prng.chance(0.5) ? [holdOne(client.another(3), ring)] : [];
    await Promise.all([
      permitsThenLock(client.another(1), ring, lock),
      lockThenPermits(client.another(2), ring, lock),
      ...third,
    ]);
  },
};

interface Ring {
  readonly semaphore: string;
  readonly limit: number;
}

async function permitsThenLock(client: TortureClient, { semaphore, limit }: Ring, lock_name: string): Promise<void> {
  const owner = client.fresh();
  const asked = { semaphore, limit, owner, permits: 1 + client.prng.int(limit), ttl: 20, timeout: 1 };
  const first = await client.send("semaphores.acquire", asked);
  if (first.outcome === "ok") {
    await client.think(5);
    const second = await client.settle("locks.acquire", { lock_name, owner, ttl: 20, timeout: 1 });
    if (second.outcome !== "error") await client.settle("locks.release", { lock_name, owner });
  }
  // Also when nobody knows whether it holds.
  if (first.outcome !== "error") await client.settle("semaphores.release", { semaphore, owner });
}

async function lockThenPermits(client: TortureClient, { semaphore, limit }: Ring, lock_name: string): Promise<void> {
  const owner = client.fresh();
  const first = await client.send("locks.acquire", { lock_name, owner, ttl: 20, timeout: 1 });
  if (first.outcome === "ok") {
    await client.think(5);
    const asked = { semaphore, limit, owner, permits: 1 + client.prng.int(limit), ttl: 20, timeout: 1 };
    const second = await client.settle("semaphores.acquire", asked);
    if (second.outcome !== "error") await client.settle("semaphores.release", { semaphore, owner });
  }
  if (first.outcome !== "error") await client.settle("locks.release", { lock_name, owner });
}

/** Waits for nothing: what it holds comes back. */
async function holdOne(client: TortureClient, { semaphore, limit }: Ring): Promise<void> {
  const owner = client.fresh();
  const grant = await client.send("semaphores.acquire", { semaphore, limit, owner, ttl: 20, timeout: 0.5 });
  if (grant.outcome === "ok") await client.think(300);
  if (grant.outcome !== "error") await client.settle("semaphores.release", { semaphore, owner });
}
