import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { queued } from "./names.ts";

/** Holds a lock while others queue up behind it, looks at the queue, and lets them in. */
export const queues: WorkloadKind = {
  name: "queues",
  weight: 2,
  async round(client) {
    const { prng } = client;
    const lock_name = prng.pick(queued);
    const owner = client.fresh();
    const grant = await client.send("locks.acquire", { lock_name, owner, ttl: 20, timeout: 4 });
    const waiters = Array.from({ length: 2 + prng.int(4) }, (_, i) => wait(client.another(i + 1), lock_name));
    for (let looks = 1 + prng.int(3); looks > 0; looks--) {
      await client.think(15);
      await client.send("locks.inspect", { lock_name });
    }
    if (grant.outcome !== "error") await client.settle("locks.release", { lock_name, owner });
    await Promise.all(waiters);
  },
};

async function wait(client: TortureClient, lock_name: string): Promise<void> {
  const owner = client.fresh();
  const lock_type = client.prng.chance(0.4) ? "shared" : "exclusive";
  await client.think(20);
  const grant = await client.send("locks.acquire", { lock_name, owner, lock_type, ttl: 20, timeout: 4 });
  if (grant.outcome === "ok") await client.think(5);
  if (grant.outcome !== "error") await client.settle("locks.release", { lock_name, owner });
}
