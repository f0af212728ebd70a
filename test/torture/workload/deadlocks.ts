import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { pairs } from "./names.ts";

/** Two take two locks in opposite order: one of them is refused, or the second comes too late for a circle. */
export const deadlocks: WorkloadKind = {
  name: "deadlocks",
  weight: 2,
  async round(client) {
    const first = client.prng.int(pairs.length);
    const [one = "", two = ""] = [pairs[first], pairs[(first + 1) % pairs.length]];
    const both = [takeBoth(client.another(1), one, two), takeBoth(client.another(2), two, one)];
    await Promise.all([...both, look(client)]);
  },
};

/** A circle that nobody had refused would show, until the first of the two gives up. */
async function look(client: TortureClient): Promise<void> {
  await Bun.sleep(200);
  if (client.prng.chance(0.5)) await client.send("locks.list", {});
}

async function takeBoth(client: TortureClient, outer: string, inner: string): Promise<void> {
  const owner = client.fresh();
  const first = await client.send("locks.acquire", { lock_name: outer, owner, ttl: 20, timeout: 1 });
  if (first.outcome === "ok") {
    await client.think(5);
    const second = await client.settle("locks.acquire", { lock_name: inner, owner, ttl: 20, timeout: 1.5 });
    if (second.outcome !== "error") await client.settle("locks.release", { lock_name: inner, owner });
  }
  // Also when nobody knows whether it holds.
  if (first.outcome !== "error") await client.settle("locks.release", { lock_name: outer, owner });
}
