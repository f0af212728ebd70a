import type { Fields, OperationRecord } from "../history.ts";
import type { TortureClient } from "../client.ts";
import { shuffled } from "../faults.ts";
import type { WorkloadKind } from "./kind.ts";
import { bundled } from "./names.ts";
import { keepAlive } from "./sessions.ts";

const TTL_SECONDS = 20;

/** Several take some of the same locks at once, each in an order of its own, beside others that take one of them. */
export const multiLocks: WorkloadKind = {
  name: "multi-locks",
  weight: 4,
  async round(client) {
    const { prng } = client;
    const way = prng.next();
    if (way < 0.15) return inSession(client);
    if (way < 0.3) return withOneHeld(client);
    if (way < 0.45) return withLostReply(client);
    const takers = Array.from({ length: 2 + prng.int(2) }, (_, i) => takeAll(client.another(i + 1)));
    const single = takeOne(client.another(takers.length + 1));
    await Promise.all([...takers, single, look(client)]);
  },
};

/** A grant that came lock by lock would show. */
async function look(client: TortureClient): Promise<void> {
  await client.think(60);
  if (client.prng.chance(0.6)) await client.send("locks.list", {});
  else await client.send("locks.inspect", { lock_name: client.prng.pick(bundled) });
}

/** Two or more of the locks, in any order; some to read. */
function drawLocks({ prng }: TortureClient) {
  const names = shuffled(bundled, prng).slice(0, 2 + prng.int(bundled.length - 1));
  return names.map((name) => (prng.chance(0.3) ? { name, lock_type: "shared" } : { name }));
}

async function takeAll(client: TortureClient): Promise<void> {
  const { prng } = client;
  const locks = drawLocks(client);
  const name = client.fresh();
  const asked = { locks, ttl: TTL_SECONDS, timeout: prng.pick([0, 0.5, 3]) };
  const keyed = prng.chance(0.4);
  const grant = await client.settle("locks.acquireAll", (n) => ({ ...asked, owner: `${name}.${n}` }), { keyed });
  if (grant.outcome !== "ok") return;
  const { owner } = grant.input;
  await client.think(20);
  if (prng.chance(0.15)) await client.settle("locks.acquireAll", { ...asked, owner });
  await releaseAll(client, grant, { owner });
}

/** Each by itself, in any order; now and then twice. */
async function releaseAll(client: TortureClient, grant: OperationRecord, holder: Fields): Promise<void> {
  const { prng } = client;
  const given = grant.output?.["locks"] as readonly Fields[];
  for (const { lock_name, fencing_token } of shuffled(given, prng)) {
    const named = prng.chance(0.7) ? { fencing_token } : {};
    await client.settle("locks.release", { lock_name, ...holder, ...named });
    if (prng.chance(0.1)) await client.settle("locks.release", { lock_name, ...holder, fencing_token });
  }
}

async function takeOne(client: TortureClient): Promise<void> {
  const lock_name = client.prng.pick(bundled);
  const owner = client.fresh();
  const lock_type = client.prng.chance(0.4) ? "shared" : "exclusive";
  await client.think(20);
  const grant = await client.send("locks.acquire", { lock_name, owner, lock_type, ttl: TTL_SECONDS, timeout: 3 });
  if (grant.outcome === "ok") await client.think(30);
  if (grant.outcome !== "error") await client.settle("locks.release", { lock_name, owner });
}

/** Two that hold one lock each ask for both: who asks second is refused, or the first has given its own back by then. */
async function withOneHeld(client: TortureClient): Promise<void> {
  const [one = "", two = ""] = shuffled(bundled, client.prng);
  await Promise.all([
    extend(client.another(1), one, two),
    extend(client.another(2), two, one),
    look(client.another(3)),
  ]);
}

async function extend(client: TortureClient, held: string, other: string): Promise<void> {
  const owner = client.fresh();
  const first = await client.send("locks.acquire", { lock_name: held, owner, ttl: TTL_SECONDS, timeout: 1 });
  if (first.outcome === "error") return;
  const locks = shuffled([{ name: held }, { name: other }], client.prng);
  const both = await client.settle("locks.acquireAll", { locks, owner, ttl: TTL_SECONDS, timeout: 1.5 });
  if (both.outcome !== "error") await client.settle("locks.release", { lock_name: other, owner });
  await client.settle("locks.release", { lock_name: held, owner });
}

/** All of them go with the session. */
async function inSession(client: TortureClient): Promise<void> {
  const { prng } = client;
  const ttl = prng.pick([1, 2.5]);
  const opened = await client.settle("sessions.open", { ttl }, { keyed: true });
  if (opened.outcome !== "ok") return;
  const session = String(opened.output?.["session"]);
  const asked = { locks: drawLocks(client), session, timeout: prng.pick([0, 0.5]) };
  const grant = await client.send("locks.acquireAll", asked);
  if (grant.outcome === "ok") {
    await keepAlive(client, session, ttl, prng.next() * ttl);
    await client.send("locks.acquireAll", { ...asked, timeout: 0 });
    if (prng.chance(0.3)) await releaseAll(client, grant, { session });
  }
  await client.settle("sessions.close", { session }, { keyed: prng.chance(0.5) });
}

/** As of single locks: in nobody's name a request that is carried out twice would hold twice. */
async function withLostReply(client: TortureClient): Promise<void> {
  const { prng } = client;
  const asked = { locks: drawLocks(client), ttl: 5, timeout: prng.pick([0, 1]) };
  const lost = { keyed: true, first: { abortAfterMs: 1 + prng.next() * 30 } };
  const grant = await client.settle("locks.acquireAll", asked, lost);
  if (grant.key !== undefined && prng.chance(0.5)) await client.send("locks.acquireAll", asked, { key: grant.key });
  if (grant.outcome === "ok") await releaseAll(client, grant, { session: grant.output?.["session"] });
}
