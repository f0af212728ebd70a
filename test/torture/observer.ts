import type { ProcessCluster } from "../support/process-cluster.ts";
import type { History, ViewRecord } from "./history.ts";

const INTERVAL_MS = 150;
const PATIENCE_MS = 800;

/** Asks every node, again and again, what it thinks its role is, and records what has changed. */
export class Observer {
  private readonly last = new Map<string, ViewRecord>();
  private readonly running: Promise<unknown>;
  private stopping = false;

  constructor(
    private readonly cluster: ProcessCluster,
    private readonly history: History,
  ) {
    this.running = Promise.all(cluster.ids.map((id) => this.watch(id)));
  }

  /** The node that said last that it leads, of the newest term. */
  get leader(): string | undefined {
    const leaders = [...this.last.values()].filter(({ role }) => role === "leader");
    return leaders.toSorted((a, b) => b.term - a.term)[0]?.node;
  }

  async stop(): Promise<void> {
    this.stopping = true;
    await this.running;
  }

  private async watch(id: string): Promise<void> {
    while (!this.stopping) {
      const from_us = this.history.nowUs();
      const root = await this.cluster.root(id, PATIENCE_MS);
      if (root !== undefined) this.saw(id, root, from_us);
      await Bun.sleep(INTERVAL_MS);
    }
  }

  private saw(node: string, root: { role: string; term: number; leader: string | null }, from_us: number): void {
    const { role, term, leader } = root;
    const before = this.last.get(node);
    if (before?.role === role && before.term === term && before.leader === leader) return;
    const to_us = this.history.nowUs();
    this.last.set(node, this.history.add<ViewRecord>({ type: "view", node, role, term, leader, from_us, to_us }));
  }
}
