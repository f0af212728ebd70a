import { roleIn } from "../raft/configuration.ts";
import type { Raft } from "../raft/raft.ts";
import type { Configuration, GroupId, ReplicaId } from "../raft/types.ts";
import { MEMBERSHIP_LEVEL } from "../kernel/feature-level.ts";
import type { GroupHost } from "./group-host.ts";
import { ShardWishes } from "./shard-wishes.ts";

// oxlint-disable-next-line typescript/no-explicit-any -- existential type: Command and Result differ by group
type AnyGroup = GroupHost<any, any>;

export interface ShardMirrorServices {
  readonly self: ReplicaId;
  isConnected(peer: ReplicaId): boolean;
}

/** A node is a member of the cluster for so long before a shard takes it in: what is undone at once moves no data. */
const ADD_AFTER_MS = 1_000;
/** A replica that a shard has let go of comes back no sooner: the cluster is letting go of it, too, and has not said so yet. */
const ADD_AGAIN_AFTER_MS = 20_000;
/** The leader that a shard should have is there, and keeps up, for so long before leadership moves to it. */
const LEAD_AFTER_MS = 5_000;
/** Between two removals that are asked for: the answer to the first is on its way. */
const ASK_AGAIN_MS = 500;

/** Replicas of a shard, as far as there are nodes. */
const SHARD_REPLICAS = 3;

/**
 * Where each shard of a new cluster begins: every founder computes the same. Which nodes it should live on, and who leads it, is
 * decided later, and moves it there.
 *
 * @param members the first of the cluster; of a node that joins later: none, since only the shard's log says it then
 */
export function firstShardConfiguration({ voters }: Configuration): Configuration {
  return { voters: voters.toSorted((a, b) => a - b).slice(0, SHARD_REPLICAS), learners: [] };
}

/** What this node knows of one shard while it leads it. */
interface Reign {
  readonly term: number;
  /** Since when the cluster has a replica that the shard does not. */
  readonly missingSinceMs: Map<ReplicaId, number>;
  readonly removedAtMs: Map<ReplicaId, number>;
  before: Configuration;
  preferredSinceMs: number | undefined;
}

/**
 * Who belongs to each shard: whoever belongs to the cluster (PROTOCOLS R6). What a shard's replicas are, its own log says; the log of the
 * control group says what they are to be; and each shard's leader goes there by one replica at a time. A node leaves the control group
 * only after it has left every shard: so no shard is ever left with voters that are gone for ever.
 *
 * ↯ {A, B}: B is removed from the cluster, and stops; the shard of A and B never commits anything again.
 */
export class ShardMirrors {
  readonly wishes = new ShardWishes();
  private readonly reigns = new Map<GroupId, Reign>();
  private readonly askedAtMs = new Map<GroupId, number>();

  constructor(private readonly services: ShardMirrorServices) {}

  /** @param control the configuration of the control group as far as it has committed */
  tick(control: Configuration, shards: readonly AnyGroup[], nowMs: number): void {
    this.wishes.update(control, shards.length);
    for (const shard of shards) {
      if (shard.raft.role === "leader") this.lead(control, shard, nowMs);
      else this.reigns.delete(shard.group);
    }
  }

  /**
   * Whether no shard has the replica any more, as far as this node knows: not, if it has no replica of a shard itself. Those that have are
   * asked to let it go.
   */
  areWithout(replica: ReplicaId, shards: Iterable<AnyGroup>, nowMs: number): boolean {
    let without = true;
    for (const shard of shards) {
      const { configurations, commitIndex } = shard.raft.log;
      const open = [configurations.at(commitIndex), configurations.current.configuration];
      // ↯ It has just joined, leads, and takes a shard of which it has heard nothing yet, or only how that began, for one that has let go.
      const isKnown = open.every((configuration) => roleIn(configuration, this.services.self) !== "none");
      if (isKnown && open.every((configuration) => roleIn(configuration, replica) === "none")) continue;
      without = false;
      if (!isKnown) continue;
      this.letGo(shard, replica, nowMs);
    }
    return without;
  }

  /** Asks the shard's leader, wherever it is, to remove the replica. */
  private letGo(shard: AnyGroup, replica: ReplicaId, nowMs: number): void {
    if (nowMs - (this.askedAtMs.get(shard.group) ?? Number.NEGATIVE_INFINITY) < ASK_AGAIN_MS) return;
    this.askedAtMs.set(shard.group, nowMs);
    shard.changeMembers({ type: "remove", replica }, nowMs, () => {});
  }

  private lead(control: Configuration, shard: AnyGroup, nowMs: number): void {
    const { raft } = shard;
    const reign = this.reignOf(control, shard, nowMs);
    if (!isIdle(raft) || shard.machine.featureLevel < MEMBERSHIP_LEVEL) return;
    const { configuration } = raft;
    const gone = [...configuration.voters, ...configuration.learners].find((each) => roleIn(control, each) === "none");
    // Its connection is cut already: the others are a majority without it, or this leader would not be one.
    if (gone !== undefined && gone !== this.services.self) this.letGo(shard, gone, nowMs);
    else if (!this.add(control, raft, reign, nowMs)) this.prefer(shard, reign, nowMs);
  }

  /**
   * Who is missing when a reign begins, and was there as far back as the log reaches, was let go of in an earlier one. ↯ The shard lets B go and changes its leader, who takes B in
   * again; then the cluster lets B go, and the shard of A and B never commits anything again.
   */
  private perhapsRemoved(control: Configuration, { log, configuration }: Raft, nowMs: number): Map<ReplicaId, number> {
    if (log.configurations.current.index === 0) return new Map();
    // ↯ One that has only joined waits as long: the next node is lost, and the shard's voters are not those that the cluster goes by.
    const earlier = log.configurations.since(0).map((each) => each.configuration);
    const missing = [...control.voters, ...control.learners].filter((each) => {
      return roleIn(configuration, each) === "none" && earlier.some((one) => roleIn(one, each) !== "none");
    });
    return new Map(missing.map((replica) => [replica, nowMs]));
  }

  private reignOf(control: Configuration, { group, raft }: AnyGroup, nowMs: number): Reign {
    const known = this.reigns.get(group);
    const { configuration } = raft;
    if (known?.term !== raft.term) {
      const removedAtMs = this.perhapsRemoved(control, raft, nowMs);
      const reign = { term: raft.term, missingSinceMs: new Map(), removedAtMs, before: configuration };
      this.reigns.set(group, { ...reign, preferredSinceMs: undefined });
    } else if (known.before !== configuration) {
      for (const replica of [...known.before.voters, ...known.before.learners]) {
        if (roleIn(configuration, replica) === "none") known.removedAtMs.set(replica, nowMs);
      }
      known.before = configuration;
    }
    return this.reigns.get(group) as Reign;
  }

  /** @returns whether there is one that the shard should have */
  private add(control: Configuration, raft: Raft, reign: Reign, nowMs: number): boolean {
    const { configuration } = raft;
    const { missingSinceMs, removedAtMs } = reign;
    let isAny = false;
    for (const replica of [...control.voters, ...control.learners]) {
      if (roleIn(configuration, replica) !== "none" || !this.services.isConnected(replica)) {
        missingSinceMs.delete(replica);
        continue;
      }
      isAny = true;
      const sinceMs = missingSinceMs.get(replica) ?? nowMs;
      missingSinceMs.set(replica, sinceMs);
      const removedMs = removedAtMs.get(replica) ?? Number.NEGATIVE_INFINITY;
      if (nowMs - sinceMs < ADD_AFTER_MS || nowMs - removedMs < ADD_AGAIN_AFTER_MS) continue;
      const { voters, learners } = configuration;
      raft.proposeConfiguration({ voters, learners: [...learners, replica] });
      return true;
    }
    return isAny;
  }

  /** Leaders are spread: each node leads its share of the shards, those that the ring gives it, when all nodes are there. */
  private prefer(shard: AnyGroup, reign: Reign, nowMs: number): void {
    const preferred = this.wishes.leaderOf(shard.group);
    const isVoter = roleIn(shard.raft.configuration, preferred) === "voter";
    const isThere = isVoter && this.services.isConnected(preferred) && shard.raft.isCaughtUp(preferred);
    if (preferred === this.services.self || !isThere) {
      reign.preferredSinceMs = undefined;
      return;
    }
    reign.preferredSinceMs ??= nowMs;
    if (nowMs - reign.preferredSinceMs < LEAD_AFTER_MS) return;
    reign.preferredSinceMs = nowMs;
    shard.transferLeadership(preferred, nowMs, () => {});
  }
}

/** Nothing that was begun is open. */
function isIdle(raft: Raft): boolean {
  const { configurations, commitIndex } = raft.log;
  return raft.established && raft.transferee === 0 && configurations.current.index <= commitIndex;
}
