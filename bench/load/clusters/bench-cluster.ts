import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../../test/support/eventually.ts";
import { freePorts } from "../../../test/support/free-ports.ts";
import { cleanEnvironment } from "../../../test/support/process-cluster.ts";
import type { NodeNamespaces } from "./namespaces.ts";
import { onExit } from "./on-exit.ts";
import type { NodeSystem, Place, System } from "./system.ts";

interface NodeProcess {
  child: Bun.Subprocess | undefined;
  paused: boolean;
}

/** Nodes of any system as processes of this machine, all data on one disk: one code for ours and for every peer. */
export class BenchCluster<Kind extends NodeSystem = System> implements AsyncDisposable {
  readonly places: readonly Place[];
  private readonly directory = mkdtempSync(join(tmpdir(), "mufakat-bench-"));
  private readonly nodes: NodeProcess[];
  private readonly end = onExit(() => this.remove());

  private constructor(
    readonly system: Kind,
    size: number,
    readonly namespaces: NodeNamespaces | undefined,
  ) {
    const ports = freePorts(size * 2);
    this.places = Array.from({ length: size }, (_, index) => ({
      host: namespaces?.addresses[index] ?? "127.0.0.1",
      clientPort: ports[2 * index] ?? 0,
      peerPort: ports[2 * index + 1] ?? 0,
      directory: join(this.directory, `node${index + 1}`),
    }));
    this.nodes = this.places.map(() => ({ child: undefined, paused: false }));
  }

  /** Resolves when the nodes agree on a leader and the system is prepared. */
  static async start<Kind extends NodeSystem>(
    system: Kind,
    size: number,
    namespaces?: NodeNamespaces,
  ): Promise<BenchCluster<Kind>> {
    const cluster = new BenchCluster(system, size, namespaces);
    try {
      for (const index of cluster.places.keys()) cluster.startNode(index);
      await system.prepare(cluster.place(await cluster.leader()));
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  place(index: number): Place {
    return this.places[index] as Place;
  }

  get pids(): number[] {
    return this.nodes.map(({ child }) => child?.pid ?? 0);
  }

  startNode(index: number): void {
    const node = this.nodes[index] as NodeProcess;
    const { directory } = this.place(index);
    mkdirSync(directory, { recursive: true, mode: 0o700 });
    const command = this.system.command(this.places, index);
    const log = Bun.file(`${directory}.log`);
    node.child = Bun.spawn(this.namespaces?.wrap(index, command) ?? command, {
      stdin: "ignore",
      stdout: log,
      stderr: log,
      env: cleanEnvironment(),
    });
    node.paused = false;
  }

  async kill(index: number): Promise<void> {
    this.nodes[index]?.child?.kill("SIGKILL");
    await this.nodes[index]?.child?.exited;
  }

  pause(index: number): void {
    this.signal(index, "SIGSTOP", true);
  }

  resume(index: number): void {
    this.signal(index, "SIGCONT", false);
  }

  /** Waits until all nodes that run agree on a leader among them. @returns its index */
  leader(): Promise<number> {
    const { system, places } = this;
    return eventually(
      async () => {
        const running = places.filter((_, index) => this.runs(index));
        const views = await Promise.all(running.map((place) => system.view(place, places.indexOf(place))));
        const leader = views[0]?.leader;
        if (leader === undefined || views.some((view) => view?.leader !== leader)) return undefined;
        const place = running[views.findIndex((view) => view?.id === leader)];
        return place === undefined ? undefined : `${places.indexOf(place)}`;
      },
      { deadlineMs: 30_000, what: () => `a leader of ${system.name} that all nodes agree on: see ${this.directory}` },
    ).then(Number);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.stop();
    await Promise.all(this.nodes.map(({ child }) => child?.exited));
    this.end();
  }

  private runs(index: number): boolean {
    const node = this.nodes[index];
    return node?.paused === false && node.child?.exitCode === null && node.child.signalCode === null;
  }

  private signal(index: number, signal: NodeJS.Signals, paused: boolean): void {
    const node = this.nodes[index] as NodeProcess;
    node.child?.kill(signal);
    node.paused = paused;
  }

  private stop(): void {
    for (const { child } of this.nodes) {
      child?.kill("SIGCONT");
      child?.kill("SIGKILL");
    }
  }

  private remove(): void {
    this.stop();
    rmSync(this.directory, { recursive: true, force: true });
  }
}
