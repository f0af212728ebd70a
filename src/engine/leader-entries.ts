import { encodeFeatureLevel } from "../kernel/feature-level.ts";
import type { Raft } from "../raft/raft.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { FeatureLevels } from "./feature-levels.ts";
import type { GroupDisks } from "./group-disks.ts";
import type { StateMachine } from "./state-machine.ts";

/** A time entry is appended at least so often while a deadline is pending (PROTOCOLS T1), in ms of lease time. */
const TIME_ENTRY_MS = 5_000;
const EMPTY = new Uint8Array(0);

/** What a leader proposes by itself: that time has passed, and what every replica of the group knows by now. */
export class LeaderEntries {
  /** Index of the time entry that this leader appended last. */
  private timeIndex = 0;
  private timeLeaseMs = 0;
  /** Index of the entry with which this leader raised the feature level last. */
  private levelIndex = 0;

  constructor(
    private readonly raft: Raft,
    private readonly machine: StateMachine<unknown>,
    private readonly disks: Pick<GroupDisks, "takesTime">,
    private readonly node: { readonly self: ReplicaId; readonly features: FeatureLevels },
  ) {}

  leaderChanged(): void {
    this.timeIndex = 0;
    this.levelIndex = 0;
  }

  /** One time entry at a time: what it leaves is seen once it is applied. */
  get isTimeDue(): boolean {
    const deadlineMs = this.machine.nextDeadlineMs();
    const { log, leaseTime } = this.raft;
    if (deadlineMs === undefined || !this.raft.established || log.appliedIndex < this.timeIndex) return false;
    // While leadership is handed over, or the disk is full, nothing is proposed: asking again at once would only spin.
    if (this.raft.transferee !== 0 || !this.disks.takesTime) return false;
    return leaseTime.nowMs >= deadlineMs || leaseTime.nowMs - this.timeLeaseMs >= TIME_ENTRY_MS;
  }

  proposeTime(): void {
    const { log, leaseTime } = this.raft;
    if (!this.isTimeDue || this.raft.propose("time", EMPTY, true) !== "accepted") return;
    this.timeIndex = log.lastIndex;
    this.timeLeaseMs = leaseTime.nowMs;
  }

  /** To what every replica of the group knows (PROTOCOLS R7). Asked again until it is applied: raising twice is raising once. */
  raiseFeatureLevel(): void {
    const { raft, machine } = this;
    const { features, self } = this.node;
    if (machine.featureLevel >= features.own || !raft.established) return;
    if (raft.log.appliedIndex < this.levelIndex) return;
    const level = features.common(raft.configuration, self);
    if (level === undefined || level <= machine.featureLevel) return;
    if (raft.propose("feature", encodeFeatureLevel(level), true) === "accepted") this.levelIndex = raft.log.lastIndex;
  }
}
