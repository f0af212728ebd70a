import { Prng } from "../../src/kernel/prng.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import type { PlannedFault } from "./faults.ts";
import type { FaultRecord } from "./history.ts";
import type { Members } from "./members.ts";
import type { NemesisTools, Striker } from "./strikes/strike.ts";
import { strikes } from "./strikes/strikes.ts";

/** Ends whatever was done: every member runs and hears everybody. */
export function heal(cluster: ProcessCluster, members: Members): void {
  cluster.heal();
  for (const { id, paused } of cluster.nodes) {
    if (paused) cluster.signal(id, "SIGCONT");
    else if (members.ids.includes(id) && !cluster.runningIds.includes(id)) cluster.startNode(id);
  }
}

/** Carries planned faults out, one after the other. */
export class Nemesis implements Striker {
  private stopping = false;
  private done = 0;

  /** @param atLeast so many faults are carried out, also if the time is up before */
  constructor(
    readonly tools: NemesisTools,
    private readonly atLeast: number,
  ) {}

  /** Until {@link stop} is called; a fault that has begun then is over soon. */
  async run(plan: Iterable<PlannedFault>): Promise<void> {
    for (const fault of plan) {
      await this.wait(fault.afterMs);
      if (this.isOver) return;
      await this.carryOut(fault);
      this.done++;
    }
  }

  stop(): void {
    this.stopping = true;
  }

  target(prng: Prng): string {
    const { members, observer } = this.tools;
    const { leader } = observer;
    // One that has just left may not know it yet.
    const leads = leader !== undefined && members.ids.includes(leader);
    return leads && prng.chance(0.5) ? leader : prng.pick(members.ids);
  }

  announce(kind: string, what: string): string {
    const { leader } = this.tools.observer;
    const detail = leader === undefined ? what : `${what} (${leader} leads)`;
    this.tools.onFault(`${kind}: ${detail}`);
    return detail;
  }

  async wait(ms: number): Promise<void> {
    const endMs = performance.now() + ms;
    while (!this.isOver && performance.now() < endMs) await Bun.sleep(Math.min(50, endMs - performance.now()));
  }

  private get isOver(): boolean {
    return this.stopping && this.done >= this.atLeast;
  }

  private async carryOut(fault: PlannedFault): Promise<void> {
    const { history } = this.tools;
    const from_us = history.nowUs();
    const struck = await strikes[fault.kind](this, fault, new Prng(fault.seed));
    history.add<FaultRecord>({ type: "fault", fault: fault.kind, ...struck, from_us, to_us: history.nowUs() });
  }
}
