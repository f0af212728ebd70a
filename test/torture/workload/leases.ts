import type { WorkloadKind } from "./kind.ts";
import { kept, locks } from "./names.ts";

/** Lets a short lease run out under a holder that never releases, while somebody waits; then that one comes back. */
export const leases: WorkloadKind = {
  name: "leases",
  weight: 2,
  async round(client) {
    const { prng } = client;
    const lock_name = prng.pick([...locks, ...kept]);
    const [dead, next] = [client.fresh(), client.fresh()];
    const ttl = prng.pick([0.1, 0.4, 1]);
    const grant = await client.send("locks.acquire", { lock_name, owner: dead, ttl, timeout: 1 });
    if (grant.outcome !== "ok") return;
    const token = Number(grant.output?.["fencing_token"]);
    if (prng.chance(0.3)) await client.send("locks.acquire", { lock_name, owner: dead, ttl, timeout: 0 });
    const successor = await client.settle("locks.acquire", { lock_name, owner: next, ttl: 20, timeout: 3 });
    await client.settle("locks.release", { lock_name, owner: dead, fencing_token: token });
    if (prng.chance(0.3)) await client.send("fences.check", { resource: `of-${lock_name}`, token });
    if (successor.outcome === "ok") await client.settle("locks.release", { lock_name, owner: next });
  },
};
