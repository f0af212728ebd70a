import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type ClusterNetwork, LoopbackNetwork, type NetworkFactory, ProxyNetwork } from "./cluster-network.ts";
import { eventually } from "./eventually.ts";
import { freePorts } from "./free-ports.ts";
import { NodeClient } from "./node-client.ts";

/** How a node is started: the sources under Bun, or the built executable. */
export type Program = readonly string[];

export const sourceProgram: Program = [process.execPath, join(import.meta.dir, "../../src/main.ts")];
export const executableProgram: Program = [join(import.meta.dir, "../../dist/mufakat")];

/** The executable where it has been built. MUFAKAT_PROGRAM: `source`, or the path of another executable. */
export function defaultProgram(): Program {
  const chosen = process.env["MUFAKAT_PROGRAM"];
  if (chosen === "source") return sourceProgram;
  if (chosen !== undefined && chosen !== "") return [chosen];
  return existsSync(executableProgram[0] ?? "") ? executableProgram : sourceProgram;
}

export interface ClusterOptions {
  readonly size: number;
  readonly program?: Program;
  /** Peers reach each other through proxies that {@link ProcessCluster.partition} can block. */
  readonly proxied?: boolean;
  /** Another network than loopback, with proxies or without. */
  readonly network?: NetworkFactory;
  /** Of the data directories, and removed at the end. A new one where nothing is said. */
  readonly directory?: string;
  /** Told of every process that ends although nobody sent it a signal. */
  readonly onOwnExit?: (id: string, code: number | null, lastLine: string) => void;
  readonly flags?: readonly string[];
  /** Variables that a node is started with. */
  readonly environment?: (id: string) => Readonly<Record<string, string>>;
  /** The nodes that run from the start; all where nothing is said. Without a majority no leader is waited for. */
  readonly startOnly?: readonly string[];
  /** So many, the first ones, make the cluster; the others join it when they are started. All where nothing is said. */
  readonly founders?: number;
}

/** `GET /` of one node. */
export interface RootStatus {
  readonly node_id: string;
  readonly role: string;
  readonly leader: string | null;
  readonly term: number;
}

interface NodeProcess {
  readonly id: string;
  readonly clientPort: number;
  readonly peerPort: number;
  readonly dataDirectory: string;
  process: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  /** Stopped by SIGSTOP. */
  paused: boolean;
  /** Was sent a signal that ends it. */
  ending: boolean;
  /** Standard output and error of every process of this node so far, the newest part. */
  output: string;
}

const MAX_OUTPUT = 200_000;

/** A cluster of real node processes on loopback, each with a data directory of its own. */
export class ProcessCluster implements AsyncDisposable {
  readonly directory: string;
  readonly nodes: NodeProcess[] = [];
  private network: ClusterNetwork = new LoopbackNetwork();

  /** What nodes that start from now on run. */
  program: Program;

  private constructor(private readonly options: ClusterOptions) {
    this.directory = options.directory ?? mkdtempSync(join(tmpdir(), "mufakat-cluster-"));
    this.program = options.program ?? defaultProgram();
  }

  /** Starts the nodes and waits until every one knows the same leader. */
  static async start(options: ClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options);
    try {
      cluster.allocate();
      const first = options.startOnly ?? cluster.ids.slice(0, options.founders);
      for (const id of first) cluster.startNode(id);
      if (first.length > (options.founders ?? options.size) / 2) await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  url(id: string): string {
    return `http://${this.network.host(id)}:${this.node(id).clientPort}`;
  }

  client(id: string): NodeClient {
    return new NodeClient(this.url(id));
  }

  get ids(): string[] {
    return this.nodes.map((node) => node.id);
  }

  node(id: string): NodeProcess {
    const node = this.nodes.find((candidate) => candidate.id === id);
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  others(id: string): string[] {
    return this.ids.filter((other) => other !== id);
  }

  /** It was there when the cluster was made. */
  isFounder(id: string): boolean {
    return this.ids.slice(0, this.options.founders).includes(id);
  }

  /** The command line of a node, for tests that start it themselves. `changed` replaces what is given to a flag. */
  command(id: string, changed: Readonly<Record<string, string>> = {}): string[] {
    const node = this.node(id);
    const host = this.network.host(id);
    const isFounder = this.isFounder(id);
    const founders = this.nodes.slice(0, this.options.founders);
    // One that joins says where it is reached itself.
    const peers = (isFounder ? founders : [node]).map(
      (peer) => `${peer.id}=${this.network.peerAddress(peer.id, peer.peerPort)}`,
    );
    const flags = {
      "--id": id,
      "--cluster": "test",
      "--data": node.dataDirectory,
      "--listen": `${host}:${node.clientPort}`,
      "--peer-listen": `${host}:${node.peerPort}`,
      "--peers": peers.join(","),
      ...(isFounder ? {} : { "--join": this.url("node1") }),
      "--log-format": "json",
      ...changed,
    };
    const program = this.network.programAt(id, this.program);
    const others = [...this.network.flags, ...(this.options.flags ?? [])];
    return [...program, "serve", ...Object.entries(flags).flat(), ...others];
  }

  /** @param changed replaces what is given to a flag */
  startNode(id: string, changed: Readonly<Record<string, string>> = {}): void {
    const node = this.node(id);
    const child = Bun.spawn(this.command(id, changed), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: { ...cleanEnvironment(), ...this.options.environment?.(id) },
    });
    node.process = child;
    node.paused = false;
    node.ending = false;
    const collected = Promise.all([collect(child.stdout, node), collect(child.stderr, node)]);
    void child.exited.then(async (code) => {
      if (node.process !== child || node.ending) return;
      await collected;
      this.options.onOwnExit?.(id, code, node.output.trimEnd().split("\n").at(-1) ?? "");
    });
  }

  /** kill -9. */
  async kill(id: string): Promise<void> {
    this.signal(id, "SIGKILL");
    await this.node(id).process?.exited;
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(id: string): Promise<number | undefined> {
    this.signal(id, "SIGTERM");
    return this.node(id).process?.exited;
  }

  signal(id: string, signal: NodeJS.Signals): void {
    const node = this.node(id);
    if (["SIGKILL", "SIGTERM", "SIGINT"].includes(signal)) node.ending = true;
    node.process?.kill(signal);
    if (signal === "SIGSTOP" || signal === "SIGCONT") node.paused = signal === "SIGSTOP";
  }

  /** Waits until the node takes requests. */
  async ready(id: string, deadlineMs = 20_000): Promise<void> {
    await eventually(async () => (await this.client(id).call("GET", "/readyz", { timeoutMs: 1_000 })).status === 200, {
      deadlineMs,
      what: () => `${id} takes requests\n${this.outputs()}`,
    });
  }

  async root(id: string, timeoutMs = 1_000): Promise<RootStatus | undefined> {
    try {
      const response = await fetch(`${this.url(id)}/`, { signal: AbortSignal.timeout(timeoutMs) });
      return (await response.json()) as RootStatus;
    } catch {
      return undefined;
    }
  }

  /** Waits until the given nodes (all that run) agree on a leader that says so itself. */
  async leader(ids: readonly string[] = this.runningIds, deadlineMs = 15_000): Promise<string> {
    return eventually(
      async () => {
        const roots = await Promise.all(ids.map((id) => this.root(id)));
        const leaders = new Set(roots.map((root) => root?.leader ?? undefined));
        const [leader] = leaders;
        if (leaders.size !== 1 || leader === undefined) return undefined;
        return roots.some((root) => root?.node_id === leader && root.role === "leader") ? leader : undefined;
      },
      { deadlineMs, what: () => `a leader that ${ids.join(", ")} agree on\n${this.outputs()}` },
    );
  }

  get runningIds(): string[] {
    return this.nodes
      .filter(({ process: child, paused }) => !paused && child?.exitCode === null && child.signalCode === null)
      .map((node) => node.id);
  }

  /** The groups no longer hear each other. Needs a network that can be cut, as the next three. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const from of this.ids) {
      for (const to of this.others(from)) {
        const together = groups.some((group) => group.includes(from) && group.includes(to));
        if (together) this.network.unblock(from, to);
        else this.network.block(from, to);
      }
    }
  }

  /** What the one node sends no longer reaches the other; the way back stays open. */
  blockOneWay(from: string, to: string): void {
    this.network.block(from, to);
  }

  /** The node hears nobody, and everybody hears it. */
  deafen(id: string): void {
    for (const other of this.others(id)) this.network.block(other, id);
  }

  heal(): void {
    this.network.heal();
  }

  outputs(): string {
    return this.nodes.map((node) => `--- ${node.id}\n${node.output.slice(-4_000)}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.ending = true;
      node.process?.kill("SIGCONT");
      node.process?.kill("SIGKILL");
    }
    await Promise.all(this.nodes.map((node) => node.process?.exited));
    this.network.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private allocate(): void {
    const ports = freePorts(this.options.size * 2);
    for (let i = 0; i < this.options.size; i++) {
      const id = `node${i + 1}`;
      const [clientPort = 0, peerPort = 0] = ports.slice(2 * i);
      const dataDirectory = join(this.directory, id);
      const state = { process: undefined, paused: false, ending: false, output: "" };
      this.nodes.push({ id, clientPort, peerPort, dataDirectory, ...state });
    }
    const { network, proxied } = this.options;
    if (network !== undefined) this.network = network(this.nodes);
    else if (proxied === true) this.network = new ProxyNetwork(this.nodes);
  }
}

/** The environment without anything that would configure a node or colour its output. */
export function cleanEnvironment(): Record<string, string> {
  const kept: Record<string, string> = {};
  for (const [name, value] of Object.entries(process.env)) {
    if (value !== undefined && !/^(MUFAKAT_|PORT$|NODE_ID$|ALL_NODES$|REDIS_)/.test(name)) kept[name] = value;
  }
  return kept;
}

async function collect(stream: ReadableStream<Uint8Array>, node: NodeProcess): Promise<void> {
  const decoder = new TextDecoder();
  for await (const chunk of stream) {
    node.output = (node.output + decoder.decode(chunk, { stream: true })).slice(-MAX_OUTPUT);
  }
}
