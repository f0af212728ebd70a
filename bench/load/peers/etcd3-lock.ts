import { Etcd3 } from "etcd3";
import type { LockClient, Place } from "../clusters/system.ts";

const TTL_SECONDS = 60;

/**
 * The lock of `etcd3`, the client that Node users of etcd have: each acquire opens a lease of its own and keeps it alive,
 * each release revokes it. So a pair is three writes of the cluster where ours is two.
 */
export function connectEtcd3(places: readonly Place[]): LockClient {
  const client = new Etcd3({ hosts: places.map(({ host, clientPort }) => `http://${host}:${clientPort}`) });
  return {
    async pair(name) {
      const lock = client.lock(name).ttl(TTL_SECONDS);
      await lock.acquire();
      await lock.release();
    },
    close: () => client.close(),
  };
}
