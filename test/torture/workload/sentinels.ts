import type { TortureClient } from "../client.ts";
import { sentinel } from "./names.ts";
import { keepAlive } from "./sessions.ts";

const SESSION_TTL_SECONDS = 30;
const HOUR_SECONDS = 3_600;

/** Locks and permits that are held from the first moment to the last: whatever happens meanwhile, they are the same holds. */
export class Sentinels {
  private readonly kept: Promise<void>;
  private ended = false;

  private constructor(
    private readonly client: TortureClient,
    private readonly session: string,
  ) {
    this.kept = this.keep();
  }

  static async take(client: TortureClient): Promise<Sentinels> {
    const opened = await client.settle("sessions.open", { ttl: SESSION_TTL_SECONDS }, { keyed: true });
    const sentinels = new Sentinels(client, String(opened.output?.["session"]));
    await sentinels.ask();
    return sentinels;
  }

  /** Asks for both once more, when nobody keeps the session alive any more: the judge knows which tokens are due. */
  async end(): Promise<void> {
    this.ended = true;
    await this.kept;
    await this.ask();
  }

  private async ask(): Promise<void> {
    const owned = { lock_name: "sentinel-owned", owner: "sentinel", ttl: HOUR_SECONDS };
    await this.client.settle("locks.acquire", owned);
    await this.client.settle("locks.acquire", { lock_name: "sentinel-kept", session: this.session });
    const { semaphore, limit } = sentinel;
    const permits = { semaphore, limit, permits: 2, owner: "sentinel", ttl: HOUR_SECONDS };
    await this.client.settle("semaphores.acquire", permits);
    // The value that it gave at first stays.
    const said = this.ended ? {} : { value: "sentinel" };
    await this.client.settle("locks.acquire", { ...owned, lock_name: "sentinel-led", ...said });
  }

  private async keep(): Promise<void> {
    // In short turns, so that the end of the run is seen.
    while (!this.ended) await keepAlive(this.client, this.session, 4, 1);
  }
}
