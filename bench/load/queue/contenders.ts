import type { Program } from "../../../test/support/process-cluster.ts";
import { ourVersion, versionOf } from "../compare/versions.ts";
import { bullmqHttpContender } from "./bullmq-http.ts";
import { bullmqContender } from "./bullmq.ts";
import type { QueueContender } from "./contender.ts";
import { mufakatContender } from "./mufakat.ts";
import { natsContender } from "./nats.ts";
import { RedisServer } from "./redis-server.ts";
import bullmq from "bullmq/package.json" with { type: "json" };
import ours from "../../../package.json" with { type: "json" };
import ioredis from "ioredis/package.json" with { type: "json" };

/** Ours and those peers whose programs are on the PATH, all running at once: whoever has no turn is idle. */
export class QueueContenders implements AsyncDisposable {
  readonly all: QueueContender[] = [];
  /** Who is missing, and why. */
  readonly skipped: string[] = [];
  private readonly stack = new AsyncDisposableStack();

  private constructor(private readonly program: Program) {}

  static async start(program: Program): Promise<QueueContenders> {
    const contenders = new QueueContenders(program);
    try {
      const ours = await mufakatContender(program);
      if (typeof ours === "string") contenders.skip(`mufakat: ${ours}`);
      else contenders.add(ours);
      await contenders.addBullmq();
      await contenders.addNats();
      return contenders;
    } catch (error) {
      await contenders[Symbol.asyncDispose]();
      throw error;
    }
  }

  versions(): Record<string, string> {
    const versions: Record<string, string> = { mufakat: ourVersion(this.program), bun: Bun.version };
    if (this.has("BullMQ")) {
      versions["BullMQ"] = bullmq.version;
      versions["ioredis"] = ioredis.version;
      versions["redis"] = versionOf(["redis-server", "--version"], /v=(\S+)/);
    }
    if (this.has("NATS")) {
      versions["nats-server"] = versionOf(["nats-server", "--version"], /v(\d\S+)/);
      versions["@nats-io/jetstream"] = ours.devDependencies["@nats-io/jetstream"];
    }
    return versions;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stack.disposeAsync();
  }

  /** Each on a Redis of its own: what one of them leaves there burdens no other. */
  private async addBullmq(): Promise<void> {
    for (const persistence of ["always", "everysec"] as const) {
      const bare = await RedisServer.start(persistence);
      const behindRoutes = await RedisServer.start(persistence);
      if (bare === undefined || behindRoutes === undefined) {
        this.skip("BullMQ: there is no `redis-server` on the PATH");
        return;
      }
      this.add(bullmqContender(`BullMQ, ${persistence}`, bare));
      this.add(await bullmqHttpContender(`BullMQ over HTTP, ${persistence}`, behindRoutes));
    }
  }

  private async addNats(): Promise<void> {
    const program = Bun.which("nats-server");
    if (program === null) this.skip("NATS JetStream: there is no `nats-server` on the PATH");
    else this.add(await natsContender(program));
  }

  private add(contender: QueueContender): void {
    this.all.push(this.stack.use(contender));
  }

  private skip(line: string): void {
    console.log(`SKIPPED, ${line}`);
    this.skipped.push(line);
  }

  private has(name: string): boolean {
    return this.all.some(({ row }) => row.startsWith(name));
  }
}
