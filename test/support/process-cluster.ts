import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "./eventually.ts";
import { freePorts } from "./free-ports.ts";
import { NodeClient } from "./node-client.ts";
import { TcpProxy } from "./tcp-proxy.ts";

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
  readonly flags?: readonly string[];
  /** The nodes that run from the start; all where nothing is said. Without a majority no leader is waited for. */
  readonly startOnly?: readonly string[];
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
  /** Standard output and error of every process of this node so far, the newest part. */
  output: string;
}

const MAX_OUTPUT = 200_000;

/** A cluster of real node processes on loopback, each with a data directory of its own. */
export class ProcessCluster implements AsyncDisposable {
  readonly directory = mkdtempSync(join(tmpdir(), "mufakat-cluster-"));
  readonly nodes: NodeProcess[] = [];
  /** By `from>to`: the proxy through which `from` reaches `to`. */
  private readonly proxies = new Map<string, TcpProxy>();

  private constructor(private readonly options: ClusterOptions) {}

  /** Starts the nodes and waits until every one knows the same leader. */
  static async start(options: ClusterOptions): Promise<ProcessCluster> {
    const cluster = new ProcessCluster(options);
    try {
      cluster.allocate();
      const first = options.startOnly ?? cluster.ids;
      for (const id of first) cluster.startNode(id);
      if (first.length > options.size / 2) await cluster.leader();
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  url(id: string): string {
    return `http://127.0.0.1:${this.node(id).clientPort}`;
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

  /** The command line of a node, for tests that start it themselves. `changed` replaces what is given to a flag. */
  command(id: string, changed: Readonly<Record<string, string>> = {}): string[] {
    const node = this.node(id);
    const peers = this.nodes.map((peer) => `${peer.id}=127.0.0.1:${this.peerPortSeenBy(id, peer)}`);
    const flags = {
      "--id": id,
      "--cluster": "test",
      "--data": node.dataDirectory,
      "--listen": `127.0.0.1:${node.clientPort}`,
      "--peer-listen": `127.0.0.1:${node.peerPort}`,
      "--peers": peers.join(","),
      "--log-format": "json",
      ...changed,
    };
    return [
      ...(this.options.program ?? defaultProgram()),
      "serve",
      ...Object.entries(flags).flat(),
      ...(this.options.flags ?? []),
    ];
  }

  startNode(id: string): void {
    const node = this.node(id);
    const child = Bun.spawn(this.command(id), {
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
      env: cleanEnvironment(),
    });
    node.process = child;
    node.paused = false;
    void collect(child.stdout, node);
    void collect(child.stderr, node);
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

  /** The groups no longer hear each other. Needs `proxied`. */
  partition(...groups: readonly (readonly string[])[]): void {
    for (const [pair, proxy] of this.proxies) {
      const [from = "", to = ""] = pair.split(">");
      const together = groups.some((group) => group.includes(from) && group.includes(to));
      if (together) proxy.heal();
      else proxy.block();
    }
  }

  /** The node hears nobody, and everybody hears it. Needs `proxied`. */
  deafen(id: string): void {
    for (const [pair, proxy] of this.proxies) {
      const [from, to] = pair.split(">");
      if (to === id) proxy.blockDirection("toTarget");
      if (from === id) proxy.blockDirection("fromTarget");
    }
  }

  heal(): void {
    for (const proxy of this.proxies.values()) proxy.heal();
  }

  outputs(): string {
    return this.nodes.map((node) => `--- ${node.id}\n${node.output.slice(-4_000)}`).join("\n");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const node of this.nodes) {
      node.process?.kill("SIGCONT");
      node.process?.kill("SIGKILL");
    }
    await Promise.all(this.nodes.map((node) => node.process?.exited));
    for (const proxy of this.proxies.values()) proxy.close();
    rmSync(this.directory, { recursive: true, force: true });
  }

  private allocate(): void {
    const ports = freePorts(this.options.size * 2);
    for (let i = 0; i < this.options.size; i++) {
      const id = `node${i + 1}`;
      const [clientPort = 0, peerPort = 0] = ports.slice(2 * i);
      const dataDirectory = join(this.directory, id);
      this.nodes.push({ id, clientPort, peerPort, dataDirectory, process: undefined, paused: false, output: "" });
    }
    if (this.options.proxied !== true) return;
    for (const from of this.nodes) {
      for (const to of this.nodes) {
        if (from === to) continue;
        const proxy = new TcpProxy("127.0.0.1", to.peerPort);
        this.proxies.set(`${from.id}>${to.id}`, proxy);
      }
    }
  }

  private peerPortSeenBy(id: string, peer: NodeProcess): number {
    return this.proxies.get(`${id}>${peer.id}`)?.port ?? peer.peerPort;
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
