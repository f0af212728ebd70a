import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import { RedisLock, startRedis } from "../../bench/load/peers/redis-lock.ts";
import { freePorts } from "../support/free-ports.ts";
import { ProcessCluster } from "../support/process-cluster.ts";

const absent = Bun.which("redis-server") === null;
if (absent)
  console.warn(
    'SKIPPED, there is no redis-server on the PATH: "a lock on one Redis forgets its holder, ours does not"',
  );

describe("beside a lock on one Redis", () => {
  test.skipIf(absent)(
    "a lock on one Redis forgets its holder when the server is killed, ours does not",
    async () => {
      const directory = mkdtempSync(join(tmpdir(), "mufakat-redis-"));
      const [port = 0] = freePorts(1);
      let server = startRedis(port, directory);
      const redis = new RedisLock("127.0.0.1", port);
      await using cluster = await ProcessCluster.start({ size: 3 });
      try {
        await redis.ready();
        const url = () => cluster.url(cluster.runningIds[0] ?? "");
        const take = (owner: string) => fetch(`${url()}/lock/r?owner=${owner}&ttl=60&timeout=0`, { method: "POST" });

        expect(await redis.acquire("r", "a", 60_000)).toBe(true);
        expect(await redis.acquire("r", "b", 60_000)).toBe(false);
        expect((await take("a")).status).toBe(200);

        server?.kill("SIGKILL");
        await server?.exited;
        server = startRedis(port, directory);
        await cluster.kill(await cluster.leader());

        expect(await redis.acquire("r", "b", 60_000)).toBe(true);
        expect((await take("b")).status).toBe(423);
      } finally {
        redis.close();
        server?.kill("SIGKILL");
        await server?.exited;
        rmSync(directory, { recursive: true, force: true });
      }
    },
    60_000,
  );
});
