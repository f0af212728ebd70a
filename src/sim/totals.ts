import type { SimResult } from "./run-seed.ts";

/** Sums over runs, told for a thousand of them. */
export class Totals {
  private runs = 0;
  private events = 0;
  private readonly sums = new Map<string, number>();
  private readonly states = new Set<string>();

  add({ figures, states }: SimResult): void {
    this.runs++;
    this.events += figures.events;
    const { elections, crashes, snapshots, repairs, amnesiacs, misreads, configurationChanges, changes, messages } =
      figures;
    this.count("elections", elections);
    this.count("crashes of processes", crashes.process);
    this.count("power cuts", crashes.power);
    this.count("snapshots", snapshots.taken);
    this.count("snapshot installs", snapshots.installed);
    this.count("configuration changes", configurationChanges);
    this.count("joins", changes.joins);
    this.count("leaves", changes.leaves);
    this.count("lost disks", changes.replacements);
    this.count("repairs", repairs);
    this.count("lost votes", amnesiacs);
    this.count("misdirected reads", misreads);
    if (messages.published > 0) this.count("messages", messages.published);
    if (messages.delivered > 0) this.count("deliveries", messages.delivered);
    for (const state of states) this.states.add(state);
  }

  /** For a thousand runs, by name. */
  perThousand(): Record<string, number> {
    const scaled = [...this.sums, ["distinct states", this.states.size] as const].map(([name, sum]) => {
      return [name, Math.round((sum / Math.max(1, this.runs)) * 1_000)];
    });
    return Object.fromEntries(scaled) as Record<string, number>;
  }

  text(): string {
    const told = Object.entries(this.perThousand()).map(([name, count]) => `${count} ${name}`);
    return `per 1,000 runs: ${told.join(", ")}`;
  }

  private count(name: string, more: number): void {
    this.sums.set(name, (this.sums.get(name) ?? 0) + more);
  }
}
