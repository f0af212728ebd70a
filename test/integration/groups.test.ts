/** Nodes with shards, in this process: the shards are locks once more, until there is another kind of group. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createApp } from "../../routes/app.ts";
import { clusterStatus } from "../../src/api/cluster.ts";
import type { OperationOutput } from "../../src/api/operation.ts";
import { lockProtocol } from "../../src/engine/lock-protocol.ts";
import { openDataDirectory } from "../../src/io/data-directory.ts";
import type { HostPort } from "../../src/kernel/addresses.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";
import { clusterId, firstConfiguration } from "../../src/server/membership.ts";
import { startNode } from "../../src/server/node.ts";
import type { RunningNode } from "../../src/server/running-node.ts";
import { eventually } from "../support/eventually.ts";
import { freePorts } from "../support/free-ports.ts";
import { temporaryDirectory } from "../support/temporary-directory.ts";

const SHARDS = 2;
const IDS = ["node1", "node2", "node3", "node4"];

/** Four nodes of one cluster, each with shards on the first three. */
class Nodes implements AsyncDisposable {
  private readonly temporary = temporaryDirectory();
  private readonly clients = new Map<string, HostPort>();
  private readonly peers = new Map<string, HostPort>();
  readonly running = new Map<string, RunningNode>();

  constructor() {
    for (const id of IDS) {
      const [client = 0, peer = 0] = freePorts(2);
      this.clients.set(id, { host: "127.0.0.1", port: client });
      this.peers.set(id, { host: "127.0.0.1", port: peer });
    }
    const membership = firstConfiguration(this.peers);
    for (const [i, nodeId] of IDS.entries()) {
      const identity = { nodeId, clusterName: "orders", clusterId: clusterId("orders", membership, SHARDS) };
      openDataDirectory(join(this.temporary.path, nodeId), {
        ...identity,
        fresh: () => ({ ...identity, replica: i + 1, membership, shards: SHARDS }),
        identity: () => i + 1,
      }).close();
    }
  }

  async start(nodeId: string): Promise<void> {
    const [listen, peerListen] = [this.clients.get(nodeId)!, this.peers.get(nodeId)!];
    const silent = { debug() {}, info() {}, warn() {}, error() {} };
    const node = await startNode(
      {
        ...{ nodeId, clusterName: undefined, listen, advertise: listen, peerListen, peerAddress: peerListen },
        ...{ members: this.peers, insecure: false, heartbeatIntervalMs: 50, electionTimeoutMs: 300 },
        dataDirectory: join(this.temporary.path, nodeId),
      },
      {
        ...{ createApp, log: silent },
        defineShard: (group, configuration) => {
          return { group, configuration, machine: new LockMachine(), protocol: lockProtocol(nodeId) };
        },
      },
    );
    this.running.set(nodeId, node);
  }

  async stop(nodeId: string): Promise<void> {
    await this.running.get(nodeId)?.stop();
    this.running.delete(nodeId);
  }

  async get(nodeId: string, path: string): Promise<Response> {
    return fetch(`http://127.0.0.1:${this.clients.get(nodeId)?.port}${path}`);
  }

  async groups(nodeId: string): Promise<OperationOutput<typeof clusterStatus>["groups"]> {
    return clusterStatus.output.parse(await (await this.get(nodeId, "/cluster?consistency=local")).json()).groups;
  }

  /** By group, as soon as every node of `ids` says the same, and its ingress is known to the leader. */
  leaders(ids: readonly string[]): Promise<(string | null)[]> {
    return eventually(
      async () => {
        const views = await Promise.all(ids.map((id) => this.groups(id)));
        const leaders = views.map((groups) => groups.map(({ leader }) => leader));
        const [first = []] = leaders;
        const isAgreed = leaders.every((each) => each.join() === first.join());
        const isApplied = views.every((groups) => groups.every((group) => group.applied_index > 0));
        return isAgreed && isApplied && !first.includes(null) && first;
      },
      { what: `one leader of each group on ${ids.join()}` },
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.running.keys()].map((id) => this.stop(id)));
    this.temporary[Symbol.dispose]();
  }
}

test("shards elect leaders on three nodes, outlive them, and are not heard of on the fourth", async () => {
  await using nodes = new Nodes();
  await Promise.all(IDS.map((id) => nodes.start(id)));
  const three = IDS.slice(0, 3);
  const leaders = await nodes.leaders(three);
  expect(leaders).toHaveLength(1 + SHARDS);
  const [, ...shards] = await nodes.groups("node4");
  for (const shard of shards) expect(shard).toMatchObject({ role: "learner", leader: null, term: 0, commit_index: 0 });
  const metrics = await (await nodes.get("node1", "/metrics")).text();
  expect(metrics).toMatch(/^mufakat_raft_term\{group="2"\} [1-9]/m);

  // Who leads a shard stops, and comes back as it was.
  const leader = leaders[1]!;
  const terms = (await nodes.groups(leader)).map(({ term }) => term);
  await nodes.stop(leader);
  const rest = three.filter((id) => id !== leader);
  expect(await nodes.leaders(rest)).not.toContain(leader);
  const after = await nodes.groups(rest[0]!);
  expect(after[1]!.term).toBeGreaterThan(terms[1]!);
  await nodes.start(leader);
  expect(await nodes.leaders(three)).toHaveLength(1 + SHARDS);
}, 60_000);
