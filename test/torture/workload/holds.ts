import type { WorkloadKind } from "./kind.ts";
import { locks } from "./names.ts";

/** Longer than any hold lasts here, short enough to be over by the end of a run if its client never learnt of it. */
const TTL_SECONDS = 20;

/** Takes a lock, writes through its fence, and gives it back; a second release of the same grant must fail. */
export const holds: WorkloadKind = {
  name: "holds",
  weight: 8,
  async round(client) {
    const { prng } = client;
    const lock = prng.pick(locks);
    const name = client.fresh();
    const keyed = prng.chance(0.4);
    const asked = {
      ...{ lock_name: lock, lock_type: prng.chance(0.4) ? "shared" : "exclusive", ttl: TTL_SECONDS },
      timeout: prng.pick([0, 0.5, 2]),
    };
    const grant = await client.settle("locks.acquire", (n) => ({ ...asked, owner: `${name}.${n}` }), { keyed });
    if (grant.outcome !== "ok") return;
    const { owner } = grant.input;
    const token = Number(grant.output?.["fencing_token"]);
    await client.think(40);
    if (prng.chance(0.3)) await client.settle("fences.check", { resource: `of-${lock}`, token }, { keyed });
    if (prng.chance(0.15)) await client.settle("locks.acquire", { ...asked, owner });
    const release = { lock_name: lock, owner, ...(prng.chance(0.8) ? { fencing_token: token } : {}) };
    await client.settle("locks.release", release, { keyed });
    const stale = { lock_name: lock, owner, fencing_token: token };
    if (prng.chance(0.3)) await client.settle("locks.release", stale);
    if (!prng.chance(0.15)) return;
    // The same owner in another life: what it had before releases nothing of what it has now.
    const again = await client.settle("locks.acquire", { ...asked, owner, timeout: 0.5 });
    if (again.outcome !== "ok") return;
    await client.settle("locks.release", stale);
    await client.settle("locks.release", { ...stale, fencing_token: again.output?.["fencing_token"] });
  },
};
