import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { freePorts } from "../../../test/support/free-ports.ts";
import { onExit } from "../clusters/on-exit.ts";
import { type Persistence, startRedis } from "../peers/redis-lock.ts";

/** A `redis-server` for one contender alone, with its data on the disk that all share. */
export class RedisServer implements AsyncDisposable {
  private constructor(
    readonly port: number,
    private readonly process: Bun.Subprocess,
    private readonly end: () => void,
  ) {}

  /** Resolves when it answers. @returns undefined when there is none on the PATH */
  static async start(persistence: Persistence): Promise<RedisServer | undefined> {
    const directory = mkdtempSync(join(tmpdir(), "mufakat-bench-redis-"));
    const [port = 0] = freePorts(1);
    const process = startRedis(port, directory, persistence);
    const end = onExit(() => {
      process?.kill("SIGKILL");
      rmSync(directory, { recursive: true, force: true });
    });
    if (process === undefined) {
      end();
      return undefined;
    }
    const redis = new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: null });
    redis.on("error", () => {});
    await redis.ping();
    redis.disconnect();
    return new RedisServer(port, process, end);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.process.kill("SIGKILL");
    await this.process.exited;
    this.end();
  }
}
