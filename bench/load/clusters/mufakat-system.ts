import type { Program } from "../../../test/support/process-cluster.ts";
import { HttpConnection } from "../http-connection.ts";
import { askNode, type LockClient, type NodeView, type Place, type System } from "./system.ts";

/** Ours, at its defaults: heartbeats of 50 ms, election time-outs from 300 ms. */
export class MufakatSystem implements System {
  readonly name = "mufakat";

  constructor(private readonly program: Program) {}

  command(places: readonly Place[], index: number): string[] {
    const { host, clientPort, peerPort, directory } = places[index] as Place;
    const peers = places.map((place, i) => `node${i + 1}=${place.host}:${place.peerPort}`);
    return [
      ...this.program,
      "serve",
      ...["--id", `node${index + 1}`, "--cluster", "bench", "--data", directory],
      ...["--listen", `${host}:${clientPort}`, "--peer-listen", `${host}:${peerPort}`, "--peers", peers.join(",")],
      // Addresses of network namespaces are beyond loopback.
      "--insecure",
    ];
  }

  async view({ host, clientPort }: Place): Promise<NodeView | undefined> {
    const root = await askNode<{ node_id: string; leader: string | null }>(`http://${host}:${clientPort}/`, {
      method: "GET",
    });
    return root === undefined ? undefined : { id: root.node_id, leader: root.leader ?? undefined };
  }

  async prepare(): Promise<void> {}

  async connect({ host, clientPort }: Place): Promise<LockClient> {
    const connection = await HttpConnection.open(host, clientPort);
    return {
      pair: (name) => lockPair(connection, name),
      close: () => connection.close(),
    };
  }
}

/** `POST /lock` and `DELETE /lock`, the way every client of ours does. */
async function lockPair(connection: HttpConnection, name: string): Promise<void> {
  const lock = await connection.request("POST", `/lock/${name}?owner=${name}&ttl=60&timeout=0`);
  if (lock.status !== 200) throw new Error(`lock: ${lock.status} ${lock.body}`);
  const unlock = await connection.request("DELETE", `/lock/${name}?owner=${name}`);
  if (unlock.status !== 200) throw new Error(`unlock: ${unlock.status} ${unlock.body}`);
}
