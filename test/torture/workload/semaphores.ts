import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { type Semaphore, semaphores } from "./names.ts";
import { keepAlive } from "./sessions.ts";

const TTL_SECONDS = 20;

/** Takes permits, renews them, gives them back, twice or with an old token, while others wait for as many or for more. */
export const permits: WorkloadKind = {
  name: "permits",
  weight: 5,
  async round(client) {
    const { prng } = client;
    const way = prng.next();
    const wanted = prng.pick(semaphores);
    if (way < 0.15) return inSession(client, wanted);
    if (way < 0.3) return withLostReply(client, wanted);
    if (way < 0.45) return withShortLease(client, wanted);
    if (way < 0.6) return queueUp(client, wanted);
    await hold(client, wanted);
  },
};

async function hold(client: TortureClient, { semaphore, limit }: Semaphore): Promise<void> {
  const { prng } = client;
  const name = client.fresh();
  const keyed = prng.chance(0.4);
  const asked = {
    ...{ semaphore, permits: 1 + prng.int(limit), ttl: TTL_SECONDS, timeout: prng.pick([0, 0.5, 2]) },
    limit: prng.chance(0.05) ? limit + 1 : limit,
  };
  const grant = await client.settle("semaphores.acquire", (n) => ({ ...asked, owner: `${name}.${n}` }), { keyed });
  if (grant.outcome !== "ok") return;
  const { owner } = grant.input;
  await client.think(40);
  const token = Number(grant.output?.["fencing_token"]);
  const slots = grant.output?.["slots"] as readonly number[] | undefined;
  if (prng.chance(0.2))
    await client.settle("fences.check", { resource: `of-${semaphore}-${slots?.[0]}`, token }, { keyed });
  if (prng.chance(0.15)) await client.settle("semaphores.acquire", { ...asked, owner });
  if (prng.chance(0.1)) await client.settle("semaphores.acquire", { ...asked, owner, permits: 1 + prng.int(limit) });
  if (prng.chance(0.2)) await client.send("semaphores.inspect", { semaphore });
  const release = { semaphore, owner, ...(prng.chance(0.8) ? { fencing_token: token } : {}) };
  await client.settle("semaphores.release", release, { keyed });
  const stale = { semaphore, owner, fencing_token: token };
  if (prng.chance(0.3)) await client.settle("semaphores.release", stale);
  if (!prng.chance(0.2)) return;
  // The same owner in another life: what it had before releases nothing of what it has now.
  const again = await client.settle("semaphores.acquire", { ...asked, owner, timeout: 0.5 });
  if (again.outcome !== "ok") return;
  await client.settle("semaphores.release", stale);
  if (prng.chance(0.5)) await client.send("semaphores.inspect", { semaphore });
  await client.settle("semaphores.release", { ...stale, fencing_token: again.output?.["fencing_token"] });
}

/** Holds most permits while others queue up, the first for all of them, looks at the queue, and lets them in. */
async function queueUp(client: TortureClient, { semaphore, limit }: Semaphore): Promise<void> {
  const { prng } = client;
  const owner = client.fresh();
  const asked = { semaphore, limit, ttl: TTL_SECONDS, timeout: 3 };
  const grant = await client.send("semaphores.acquire", { ...asked, owner, permits: limit - prng.int(2) });
  const waiters = Array.from({ length: 3 + prng.int(3) }, async (_, i) => {
    const other = client.another(i + 1);
    const waiter = other.fresh();
    if (i > 0) await other.think(60);
    const permits = i === 0 ? limit : 1 + other.prng.int(limit);
    const given = await other.send("semaphores.acquire", { ...asked, owner: waiter, permits });
    if (given.outcome === "ok") await other.think(10);
    if (given.outcome !== "error") await other.settle("semaphores.release", { semaphore, owner: waiter });
  });
  for (let looks = 1 + prng.int(3); looks > 0; looks--) {
    await client.think(15);
    await client.send("semaphores.inspect", { semaphore });
  }
  if (grant.outcome !== "error") await client.settle("semaphores.release", { semaphore, owner });
  await Promise.all(waiters);
}

/** Lets permits run out under a holder that never releases, while somebody waits for all of them. */
async function withShortLease(client: TortureClient, { semaphore, limit }: Semaphore): Promise<void> {
  const { prng } = client;
  const [dead, next] = [client.fresh(), client.fresh()];
  const asked = { semaphore, limit, permits: 1 + prng.int(limit), timeout: 1 };
  const grant = await client.send("semaphores.acquire", { ...asked, owner: dead, ttl: prng.pick([0.1, 0.4, 1]) });
  if (grant.outcome !== "ok") return;
  const all = { ...asked, permits: limit, owner: next, ttl: TTL_SECONDS, timeout: 3 };
  const successor = await client.settle("semaphores.acquire", all);
  const fencing_token = grant.output?.["fencing_token"];
  await client.settle("semaphores.release", { semaphore, owner: dead, fencing_token });
  if (successor.outcome === "ok") await client.settle("semaphores.release", { semaphore, owner: next });
}

async function inSession(client: TortureClient, { semaphore, limit }: Semaphore): Promise<void> {
  const { prng } = client;
  const ttl = prng.pick([1, 2.5]);
  const opened = await client.settle("sessions.open", { ttl }, { keyed: true });
  if (opened.outcome !== "ok") return;
  const session = String(opened.output?.["session"]);
  const asked = { semaphore, limit, permits: 1 + prng.int(limit), session, timeout: prng.pick([0, 0.5]) };
  const grant = await client.send("semaphores.acquire", asked);
  if (grant.outcome === "ok") {
    await keepAlive(client, session, ttl, prng.next() * ttl);
    await client.send("semaphores.acquire", { ...asked, timeout: 0 });
    if (prng.chance(0.3)) await client.settle("semaphores.release", { semaphore, session });
  }
  await client.settle("sessions.close", { session }, { keyed: prng.chance(0.5) });
}

/** In nobody's name a request that is carried out twice would hold twice. */
async function withLostReply(client: TortureClient, { semaphore, limit }: Semaphore): Promise<void> {
  const { prng } = client;
  const asked = { semaphore, limit, permits: 1 + prng.int(limit), ttl: 5, timeout: prng.pick([0, 1]) };
  const lost = () => ({ keyed: true, first: { abortAfterMs: 1 + prng.next() * 30 } });
  const grant = await client.settle("semaphores.acquire", asked, lost());
  if (grant.key !== undefined && prng.chance(0.5)) await client.send("semaphores.acquire", asked, { key: grant.key });
  if (grant.outcome !== "ok") return;
  const { session, fencing_token } = grant.output ?? {};
  const held = { semaphore, session, fencing_token };
  await client.settle("semaphores.release", held, lost());
  await client.send("semaphores.release", held);
}
