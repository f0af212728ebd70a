import type { ProcessCluster } from "../../test/support/process-cluster.ts";
import { HttpConnection } from "./http-connection.ts";

/** Connections that share what is to be done. */
export const LOADERS = 128;
const LOCKS_OF_AN_OWNER = 10;

/** Takes very many locks, for a day. */
export async function holdLocks(cluster: ProcessCluster, count: number): Promise<void> {
  const path = (i: number): string =>
    `/lock/held-${i}?owner=owner-${Math.floor(i / LOCKS_OF_AN_OWNER)}&ttl=86400&timeout=0`;
  await drive(cluster, count, async (connection, i) => {
    const { status, body } = await connection.request("POST", path(i));
    if (status !== 200) throw new Error(`lock: ${status} ${body}`);
  });
  console.log(`${count} locks are held`);
}

/** Numbers 0…count−1, each once, by many connections over all nodes. */
export async function drive(
  cluster: ProcessCluster,
  count: number,
  step: (connection: HttpConnection, i: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  await Promise.all(
    Array.from({ length: LOADERS }, async (_, loader) => {
      const { clientPort } = cluster.node(cluster.ids[loader % cluster.ids.length] ?? "");
      const connection = await HttpConnection.open("127.0.0.1", clientPort);
      for (let i = next++; i < count; i = next++) await step(connection, i);
      connection.close();
    }),
  );
}
