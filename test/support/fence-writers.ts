import type { ErrorBody } from "../../src/api/errors.ts";
import { call } from "./node-client.ts";

/** What one writer was told last of its own resource. */
interface Writer {
  readonly resource: string;
  readonly url: string;
  /** Highest token that was sent, and that was acknowledged. */
  sent: number;
  acknowledged: number;
}

/** Long, so that the log fills up soon. */
const NAME_BYTES = 500;
const KEY_BYTES = 250;

/**
 * Writes that can be told from one another: each writer raises the fence of its own resource, again and again. What was
 * acknowledged and is lost shows, since an older token is then accepted.
 */
export class FenceWriters {
  readonly writers: Writer[];
  /** Replies by status. */
  readonly statuses = new Map<number, number>();
  readonly failures: string[] = [];
  /** The bodies of 507. */
  readonly refusals: unknown[] = [];
  longestMs = 0;
  private stopped = false;
  private readonly running: Promise<void>[];

  constructor(urls: readonly string[], count: number) {
    this.writers = Array.from({ length: count }, (_, i) => ({
      resource: `${i}-`.padEnd(NAME_BYTES, "r"),
      url: urls[i % urls.length] ?? "",
      sent: 0,
      acknowledged: 0,
    }));
    this.running = this.writers.map((writer) => this.write(writer));
  }

  get acknowledged(): number {
    return this.writers.reduce((sum, { acknowledged }) => sum + acknowledged, 0);
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.running);
  }

  /** @returns the resources of which less is known through the node than was acknowledged */
  async lost(url: string): Promise<string[]> {
    const lost: string[] = [];
    for (const { resource, acknowledged, sent } of this.writers) {
      if (acknowledged === 0) continue;
      const reply = await call<unknown>("POST", `${url}/fence/${resource}`, { body: { token: acknowledged - 1 } });
      const highest = Number((reply.body as Partial<ErrorBody>).error?.details?.["highest"]);
      if (reply.status !== 409 || highest < acknowledged || highest > sent) {
        lost.push(`${resource.slice(0, 4)}: ${acknowledged} acknowledged, ${reply.status} ${highest}`);
      }
    }
    return lost;
  }

  private async write(writer: Writer): Promise<void> {
    while (!this.stopped) {
      const token = ++writer.sent;
      const headers = { "Idempotency-Key": `${writer.resource.slice(0, 4)}-${token}-`.padEnd(KEY_BYTES, "k") };
      const startMs = performance.now();
      try {
        const response = await fetch(`${writer.url}/fence/${writer.resource}`, {
          method: "POST",
          headers,
          body: JSON.stringify({ token }),
        });
        const body = (await response.json()) as unknown;
        this.statuses.set(response.status, (this.statuses.get(response.status) ?? 0) + 1);
        if (response.status === 200) writer.acknowledged = token;
        else if (response.status === 507) this.refusals.push(body);
        else this.failed(`${response.status} ${JSON.stringify(body)}`);
        if (response.status !== 200) await Bun.sleep(50);
      } catch (error) {
        this.failed(String(error));
        await Bun.sleep(50);
      }
      this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
    }
  }

  /** The first are enough to tell what is wrong. */
  private failed(what: string): void {
    if (this.failures.length < 10) this.failures.push(what);
  }
}
