import type { WorkloadKind } from "./kind.ts";
import { locks } from "./names.ts";

/** Loses the reply to a request on purpose and asks again under the same key, and once more after the answer. */
export const retries: WorkloadKind = {
  name: "retries",
  weight: 3,
  async round(client) {
    const { prng } = client;
    const lock_name = prng.pick(locks);
    // Without a name of its own a request that is carried out twice would hold twice.
    const named = prng.chance(0.3) ? { owner: client.fresh() } : {};
    const asked = { lock_name, ...named, ttl: 5, timeout: prng.pick([0, 1]) };
    const lost = () => ({ keyed: true, first: { abortAfterMs: 1 + prng.next() * 30 } });
    const grant = await client.settle("locks.acquire", asked, lost());
    if (grant.key !== undefined && prng.chance(0.5)) await client.send("locks.acquire", asked, { key: grant.key });
    if (grant.outcome !== "ok") return;
    const held = { lock_name, session: grant.output?.["session"], fencing_token: grant.output?.["fencing_token"] };
    await client.think(20);
    const release = await client.settle("locks.release", held, lost());
    if (release.key !== undefined && prng.chance(0.5)) await client.send("locks.release", held, { key: release.key });
    await client.send("locks.release", held);
  },
};
