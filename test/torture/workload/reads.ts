import type { WorkloadKind } from "./kind.ts";
import { bundled, kept, led, locks, pairs, semaphores } from "./names.ts";

/** Looks at single locks, and now and then at all of them. */
export const reads: WorkloadKind = {
  name: "reads",
  weight: 3,
  async round(client) {
    const { prng } = client;
    for (let looks = 1 + prng.int(4); looks > 0; looks--) {
      const what = prng.next();
      if (what < 0.1) await client.send("locks.list", {});
      else if (what < 0.2) await client.send("sessions.list", {});
      else if (what < 0.35) await client.send("semaphores.inspect", { semaphore: prng.pick(semaphores).semaphore });
      else
        await client.send("locks.inspect", { lock_name: prng.pick([...locks, ...kept, ...pairs, ...bundled, ...led]) });
      await client.think(10);
    }
  },
};
