import type { TortureClient } from "../client.ts";
import type { WorkloadKind } from "./kind.ts";
import { kept } from "./names.ts";

/** Opens a session, takes locks with it, keeps it alive for a while, and closes it or lets it run out. */
export const sessions: WorkloadKind = {
  name: "sessions",
  weight: 3,
  async round(client) {
    const { prng } = client;
    const ttl = prng.pick([1, 2.5, 5]);
    const opened = await client.settle("sessions.open", { ttl }, { keyed: true });
    if (opened.outcome !== "ok") return;
    const session = String(opened.output?.["session"]);
    const held: { lock_name: string; fencing_token: number }[] = [];
    for (const lock_name of new Set([prng.pick(kept), prng.pick(kept)])) {
      const lock_type = prng.chance(0.4) ? "shared" : "exclusive";
      const grant = await client.send("locks.acquire", { lock_name, session, lock_type, timeout: prng.pick([0, 0.3]) });
      const token = grant.output?.["fencing_token"];
      if (grant.outcome === "ok") held.push({ lock_name, fencing_token: Number(token) });
    }
    if (held.length > 0) await keepAlive(client, session, ttl, prng.next() * 1.2 * ttl);
    const [first] = held;
    // Still the same hold, or none at all.
    if (first !== undefined) await client.send("locks.acquire", { lock_name: first.lock_name, session, timeout: 0 });
    const end = prng.next();
    if (end < 0.3) await client.think(1_500 * ttl);
    if (end < 0.6) for (const hold of held) await client.settle("locks.release", { ...hold, session });
    await client.settle("sessions.close", { session }, { keyed: prng.chance(0.5) });
    if (first !== undefined && prng.chance(0.5)) await client.settle("locks.release", { ...first, session });
  },
};

/** Renews at whatever node answers, as long as the session is known to live. */
export async function keepAlive(client: TortureClient, session: string, ttl: number, seconds: number): Promise<void> {
  const endUs = client.nowUs() + seconds * 1e6;
  while (client.nowUs() < endUs) {
    await Bun.sleep((ttl * 1_000) / 4);
    const renewal = await client.send("sessions.renew", { session }, { abortAfterMs: (ttl * 1_000) / 4 });
    if (renewal.code === "session_expired") return;
  }
}
