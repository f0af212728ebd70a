import { cleanEnvironment } from "../../../test/support/process-cluster.ts";
import { onExit } from "../clusters/on-exit.ts";
import { printedPort } from "../printed-port.ts";
import type { QueueContender, QueueRow } from "./contender.ts";
import { openHttpLoad } from "./http-load.ts";
import type { RedisServer } from "./redis-server.ts";

/** BullMQ behind the same routes as ours, in a process of its own, under the same clients. */
export async function bullmqHttpContender(row: QueueRow, redis: RedisServer): Promise<QueueContender> {
  const program = `${import.meta.dir}/bullmq-routes.ts`;
  const routes = Bun.spawn([process.execPath, program, String(redis.port)], {
    stdin: "ignore",
    stdout: "pipe",
    env: { ...cleanEnvironment(), NODE_ENV: "production" },
  });
  const end = onExit(() => routes.kill("SIGKILL"));
  const port = await printedPort(routes.stdout);
  return {
    row,
    open: (shape) => openHttpLoad([{ host: "127.0.0.1", port }], shape),
    async [Symbol.asyncDispose]() {
      routes.kill("SIGKILL");
      await routes.exited;
      end();
      await redis[Symbol.asyncDispose]();
    },
  };
}
