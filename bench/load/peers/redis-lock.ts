import { Redis } from "ioredis";

/** Frees the lock only for whom it was set: the usual recipe (redis.io, "Distributed Locks with Redis"). */
const RELEASE = `if redis.call("get", KEYS[1]) == ARGV[1] then return redis.call("del", KEYS[1]) else return 0 end`;

/**
 * What teams use today: `SET NX PX` on one Redis that persists nothing. No quorum, no disk, no fencing token: fast, and
 * a lock that two processes can hold at once. A peer to be measured against, not an alternative.
 */
export class RedisLock {
  private readonly redis: Redis;

  constructor(host: string, port: number) {
    this.redis = new Redis({ host, port, enableAutoPipelining: true, maxRetriesPerRequest: null });
    // It connects again by itself; what was asked meanwhile waits.
    this.redis.on("error", () => {});
  }

  /** Resolves when the server answers, however often that has to be tried. */
  async ready(): Promise<void> {
    await this.redis.ping();
  }

  async acquire(lock: string, owner: string, ttlMs: number): Promise<boolean> {
    return (await this.redis.set(lock, owner, "PX", ttlMs, "NX")) === "OK";
  }

  async release(lock: string, owner: string): Promise<boolean> {
    return (await this.redis.eval(RELEASE, 1, lock, owner)) === 1;
  }

  close(): void {
    this.redis.disconnect();
  }
}

/** What Redis keeps on the disk: nothing, or an append-only file that it syncs before each reply or once in a second. */
export type Persistence = "nothing" | "always" | "everysec";

/** A `redis-server` of the PATH on a port of its own; undefined when there is none. */
export function startRedis(
  port: number,
  directory: string,
  persistence: Persistence = "nothing",
): Bun.Subprocess | undefined {
  const program = Bun.which("redis-server");
  if (program === null) return undefined;
  const appendOnly = persistence === "nothing" ? ["no"] : ["yes", "--appendfsync", persistence];
  const settings = [
    ...["--port", String(port), "--bind", "127.0.0.1", "--dir", directory],
    ...["--save", "", "--appendonly", ...appendOnly],
  ];
  return Bun.spawn([program, ...settings], { stdin: "ignore", stdout: "ignore", stderr: "ignore" });
}
