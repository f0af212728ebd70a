import type { Configuration, ReplicaId } from "../../raft/types.ts";
import type { Profile } from "../profile.ts";
import { AppendedEntries } from "./appended-entries.ts";
import { AppliedLog, type ComparedMachine, type EntryJudge } from "./applied-log.ts";
import { Candidacies } from "./candidacies.ts";
import { LeaseChecks } from "./lease-checks.ts";
import { LonelyLeaders } from "./lonely-leaders.ts";
import { RaftChecks } from "./raft-checks.ts";
import { ReservedShare } from "./reserved-share.ts";

export interface GroupChecksOptions<Result, Machine> {
  /** Who belonged to the group at first. */
  readonly first: Configuration;
  /** A replica that has left comes back under its id. */
  readonly mayReturn: boolean;
  readonly profile: Profile;
  readonly judge: EntryJudge<Result, Machine>;
  /** Whole states are compared from outside. */
  readonly compares: boolean;
  /** Those who count, by each configuration that may be in force on the node. */
  readonly votersOf: (node: ReplicaId) => readonly (readonly ReplicaId[])[];
  /** Real time, in ms. */
  readonly nowMs: () => number;
}

/** All that is looked at in one Raft group, whatever its state machine is. */
export class GroupChecks<Result extends { readonly type: string }, Machine extends ComparedMachine> {
  readonly appended: AppendedEntries;
  readonly raft: RaftChecks;
  readonly candidacies: Candidacies;
  readonly lonely: LonelyLeaders;
  readonly reserved: ReservedShare;
  readonly lease: LeaseChecks;
  readonly applied: AppliedLog<Result, Machine>;

  constructor({ first, mayReturn, profile, judge, compares, votersOf, nowMs }: GroupChecksOptions<Result, Machine>) {
    const { heartbeatIntervalMs, clockSkew, maxUncommittedBytes, electionTimeoutMs, tickMs } = profile;
    this.appended = new AppendedEntries(nowMs);
    this.raft = new RaftChecks(first, maxUncommittedBytes, this.appended, mayReturn);
    this.candidacies = new Candidacies(votersOf);
    this.lonely = new LonelyLeaders(electionTimeoutMs, tickMs);
    this.reserved = new ReservedShare(maxUncommittedBytes);
    this.lease = new LeaseChecks(2 * heartbeatIntervalMs, clockSkew);
    this.applied = new AppliedLog(judge, (entry) => this.appended.atMs(entry), compares);
  }
}

// oxlint-disable-next-line typescript/no-explicit-any -- existential type: results and machines differ by group
export type AnyGroupChecks = GroupChecks<any, any>;
