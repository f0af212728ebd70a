import type { Prng } from "../kernel/prng.ts";
import type { AppendedEntries } from "./checks/appended-entries.ts";
import type { AppliedLog } from "./checks/applied-log.ts";
import type { Candidacies } from "./checks/candidacies.ts";
import type { ClientChecks } from "./checks/client-checks.ts";
import type { LeaseChecks } from "./checks/lease-checks.ts";
import type { LonelyLeaders } from "./checks/lonely-leaders.ts";
import type { RaftChecks } from "./checks/raft-checks.ts";
import type { ReservedShare } from "./checks/reserved-share.ts";
import type { SimHooks } from "./hooks.ts";
import type { SimNetwork } from "./network.ts";
import type { Profile } from "./profile.ts";
import type { Scheduler } from "./scheduler.ts";
import type { Trace } from "./trace.ts";

export interface Checks {
  readonly raft: RaftChecks;
  readonly appended: AppendedEntries;
  readonly candidacies: Candidacies;
  readonly lonely: LonelyLeaders;
  readonly reserved: ReservedShare;
  readonly lease: LeaseChecks;
  readonly applied: AppliedLog;
  readonly clients: ClientChecks;
}

/** What all parts of one run share. */
export interface World {
  readonly profile: Profile;
  readonly scheduler: Scheduler;
  /** For nodes and what happens in them. */
  readonly random: Prng;
  readonly network: SimNetwork;
  readonly checks: Checks;
  readonly hooks: SimHooks;
  /** Nodes that start from now on run another version of the program. */
  readonly upgraded: boolean;
  readonly trace: Trace;
  /** A new identity, small and never used before. */
  identity(): number;
}
