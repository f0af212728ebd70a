import type { Prng } from "../../../src/kernel/prng.ts";
import type { NamespaceNetwork } from "../../support/namespace-network.ts";
import type { ProcessCluster } from "../../support/process-cluster.ts";
import type { Clocks } from "../clocks.ts";
import type { Disks } from "../disks.ts";
import type { PlannedFault } from "../faults.ts";
import type { FaultRecord, History } from "../history.ts";
import type { Members } from "../members.ts";
import type { Observer } from "../observer.ts";

export interface NemesisTools {
  readonly cluster: ProcessCluster;
  readonly members: Members;
  readonly history: History;
  readonly observer: Observer;
  /** Where nodes can be cut off from their clients, too. */
  readonly namespaces: NamespaceNetwork | undefined;
  /** Where disks can be filled up. */
  readonly disks: Disks | undefined;
  /** Where clocks can be set. */
  readonly clocks: Clocks | undefined;
  /** Told of each fault as it begins. */
  readonly onFault: (what: string) => void;
}

/** What a fault needs of the one who carries it out. */
export interface Striker {
  readonly tools: NemesisTools;
  /** A node: the leader, every other time. */
  target(prng: Prng): string;
  /** @returns what was done, with who leads */
  announce(kind: string, what: string): string;
  /** Less when the run is over. */
  wait(ms: number): Promise<void>;
}

/** What the history says of a fault, beside its kind and its time. */
export type Struck = Omit<FaultRecord, "type" | "n" | "fault" | "from_us" | "to_us">;

/** Carries one fault out, and ends it. */
export type Strike = (striker: Striker, fault: PlannedFault, prng: Prng) => Promise<Struck>;

export function secondsOf({ lastsMs }: PlannedFault): string {
  return (lastsMs / 1_000).toFixed(1);
}
