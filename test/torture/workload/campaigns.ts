import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { led } from "./names.ts";

/** Two want to lead, each with a value of its own, which they change now and then; others observe who leads. */
export const campaigns: WorkloadKind = {
  name: "campaigns",
  weight: 3,
  async round(client) {
    const lock_name = client.prng.pick(led);
    const candidates = [campaign(client.another(1), lock_name), campaign(client.another(2), lock_name)];
    await Promise.all([...candidates, follow(client.another(3), lock_name), follow(client.another(4), lock_name)]);
  },
};

async function campaign(client: TortureClient, lock_name: string): Promise<void> {
  const { prng } = client;
  const owner = client.fresh();
  await client.think(30);
  // Some end their terms by leaving.
  const leaves = prng.chance(0.15);
  const asked = { lock_name, owner, ttl: leaves ? 0.4 : 20, timeout: 2 };
  const term = await client.settle("locks.acquire", { ...asked, value: `${owner} at first` });
  if (term.outcome !== "ok" || leaves) return;
  await client.think(60);
  if (prng.chance(0.4)) {
    await client.settle("locks.acquire", { ...asked, value: `${owner} later` }, { keyed: prng.chance(0.3) });
    await client.think(40);
  }
  // What was said stays when nothing else is.
  if (prng.chance(0.2)) await client.settle("locks.acquire", asked);
  await client.settle("locks.release", { lock_name, owner });
}

/** From revision to revision, at whatever node. */
async function follow(client: TortureClient, lock_name: string): Promise<void> {
  const { prng } = client;
  let after = 0;
  for (let looks = 3 + prng.int(4); looks > 0; looks--) {
    const wait = prng.pick([0.05, 0.2, 0.6]);
    const observing = prng.chance(0.8) ? { wait, after } : {};
    const { outcome, output } = await client.send("locks.inspect", { lock_name, ...observing });
    if (outcome === "ok") after = Number(output?.["revision"]);
  }
}
