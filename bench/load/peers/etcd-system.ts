import { HttpConnection } from "../http-connection.ts";
import { askNode, type LockClient, type NodeView, type Place, type System } from "../clusters/system.ts";

export interface EtcdTimes {
  readonly heartbeatMs: number;
  readonly electionMs: number;
}

/** One lease for everything, so that the pairs cost no lease of their own. */
const LEASE_TTL_SECONDS = 86_400;

/**
 * etcd, through the JSON gateway that every node of it has: so one load tool drives both systems. Its settings are its
 * defaults, with fsync; the times alone can be given.
 */
export class EtcdSystem implements System {
  private lease = "";

  constructor(
    readonly name: string,
    private readonly program: string,
    private readonly times?: EtcdTimes,
  ) {}

  command(places: readonly Place[], index: number): string[] {
    const { host, clientPort, peerPort, directory } = places[index] as Place;
    const client = `http://${host}:${clientPort}`;
    const peer = `http://${host}:${peerPort}`;
    const cluster = places.map((place, i) => `node${i + 1}=http://${place.host}:${place.peerPort}`);
    const { times } = this;
    return [
      this.program,
      ...["--name", `node${index + 1}`, "--data-dir", directory],
      ...["--listen-client-urls", client, "--advertise-client-urls", client],
      ...["--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer],
      ...["--initial-cluster", cluster.join(","), "--initial-cluster-state", "new", "--logger", "zap"],
      ...(times === undefined
        ? []
        : ["--heartbeat-interval", String(times.heartbeatMs), "--election-timeout", String(times.electionMs)]),
    ];
  }

  async view({ host, clientPort }: Place): Promise<NodeView | undefined> {
    const url = `http://${host}:${clientPort}/v3/maintenance/status`;
    const status = await askNode<{ header?: { member_id: string }; leader?: string }>(url, {
      method: "POST",
      body: "{}",
    });
    if (status?.header === undefined) return undefined;
    return { id: status.header.member_id, leader: status.leader === "0" ? undefined : status.leader };
  }

  async prepare({ host, clientPort }: Place): Promise<void> {
    const reply = await fetch(`http://${host}:${clientPort}/v3/lease/grant`, {
      method: "POST",
      body: JSON.stringify({ TTL: LEASE_TTL_SECONDS }),
    });
    const { ID: lease } = (await reply.json()) as { ID?: string };
    if (lease === undefined) throw new Error(`etcd granted no lease: ${reply.status}`);
    this.lease = lease;
  }

  async connect({ host, clientPort }: Place): Promise<LockClient> {
    const connection = await HttpConnection.open(host, clientPort);
    return {
      pair: (name) => this.createAndDelete(connection, name),
      close: () => connection.close(),
    };
  }

  /** The recipe for a lock without a lease of its own: create if nobody has it, delete if it is mine. */
  private async createAndDelete(connection: HttpConnection, name: string): Promise<void> {
    const key = btoa(name);
    await transact(
      connection,
      `{"compare":[{"key":"${key}","target":"VERSION","result":"EQUAL","version":"0"}],` +
        `"success":[{"request_put":{"key":"${key}","value":"${key}","lease":"${this.lease}"}}]}`,
    );
    await transact(
      connection,
      `{"compare":[{"key":"${key}","target":"VALUE","result":"EQUAL","value":"${key}"}],` +
        `"success":[{"request_delete_range":{"key":"${key}"}}]}`,
    );
  }
}

async function transact(connection: HttpConnection, transaction: string): Promise<void> {
  const reply = await connection.request("POST", "/v3/kv/txn", transaction);
  if (reply.status !== 200 || !reply.body.includes('"succeeded":true'))
    throw new Error(`${reply.status} ${reply.body}`);
}
