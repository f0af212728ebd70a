/**
 * Histories drawn from a seed: messages are lost, doubled and put out of order, disks are slow, replicas die in the midst
 * of a flush or an installation, logs forget at any time. After every step the promises of Raft are checked (Raft, figure 3),
 * and when all is well again everybody must have everything.
 */
import { expect, test } from "bun:test";
import { Prng } from "../../../src/kernel/prng.ts";
import type { Message } from "../../../src/raft/types.ts";
import { ELECTION_MS, RaftCluster, type Replica } from "../../support/raft-cluster.ts";

const SEEDS = 150;
const STEPS = 600;

class History {
  readonly cluster: RaftCluster;
  private readonly down = new Set<number>();
  private proposed = 0;
  /** Of all that anybody held to be committed, by index. */
  private readonly committedTerms = new Map<number, number>();
  /** Commands that were applied, by whoever was furthest. */
  private readonly applied: string[] = [];
  /** How many of them are applied at an index. */
  private readonly appliedCounts = new Map<number, number>();
  /** Of what is applied, by index. */
  private readonly configurations = new Map<number, string>();
  private readonly leaders = new Map<number, number>();
  private readonly commitIndexes: number[] = [];

  constructor(
    private readonly random: Prng,
    private readonly events: Map<string, number>,
  ) {
    this.cluster = new RaftCluster(random.int(2) === 0 ? 3 : 5, {
      firstVoters: 1 + random.int(3),
      maxTrailingEntries: random.int(4),
      maxHeldEntries: random.int(2) === 0 ? 5 : 100,
      maxSnapshotChunkBytes: 1 + random.int(40),
      maxSnapshotWindowBytes: 40 + random.int(100),
      maxInflightAppends: 1 + random.int(4),
      maxAppendBytes: 1 + random.int(40),
      maxCacheBytes: random.int(100),
    });
    // Sees every message that leaves and loses none.
    this.cluster.lose((message) => {
      this.checkDurable(message);
      return false;
    });
  }

  step(): void {
    const { random, cluster } = this;
    const replica = cluster.replica(1 + random.int(cluster.voters.length));
    replica.slowDisk = random.int(4) === 0;
    replica.slowSnapshots = random.int(4) > 0;
    if (replica.tasks.length > 0 && random.int(2) === 0) replica.completeTask();
    const dice = random.int(100);
    if (dice < 40) for (let i = random.int(20); i >= 0; i--) this.deliver();
    else if (dice < 55) this.pass(random.int(40));
    else if (dice < 70) this.propose();
    else if (dice < 73) this.changeMembership();
    else if (dice < 80) this.takeSnapshot(replica);
    else if (dice < 82) this.crash(replica);
    else if (dice < 88) this.restart(replica);
    else if (dice < 90) cluster.raft(replica.id).disconnected(1 + random.int(cluster.voters.length));
    else if (dice < 92) this.damage(replica);
    else if (dice < 93) cluster.isolate(replica.id);
    else if (dice < 98) cluster.mend();
    else if (random.int(4) === 0) this.pass(2 * ELECTION_MS);
    else cluster.pass(2 * ELECTION_MS);
    for (const id of cluster.voters) if (!this.down.has(id) && random.int(3) === 0) cluster.replica(id).pump();
    for (const id of cluster.voters) this.checkLeader(cluster.replica(id));
    for (const id of cluster.voters) this.checkReplica(cluster.replica(id));
  }

  /** Whoever is down comes back, nothing is lost any more. */
  recover(): void {
    const { cluster } = this;
    cluster.mend();
    for (const id of cluster.voters) {
      const replica = cluster.replica(id);
      if (this.down.has(id)) this.restart(replica);
      replica.slowDisk = false;
      replica.slowSnapshots = false;
    }
    cluster.pass(20 * ELECTION_MS);
    const [leader = 0, ...others] = cluster.leaders;
    expect([leader > 0, others]).toEqual([true, []]);
    expect(cluster.propose(leader, "last")).toBe("accepted");
    cluster.pass(2 * ELECTION_MS);
    const { voters, learners } = cluster.raft(leader).configuration;
    expect(voters).toContain(leader);
    for (const id of [...voters, ...learners]) {
      const replica = cluster.replica(id);
      this.checkReplica(replica);
      expect(replica.raft.configuration).toEqual({ voters, learners });
      expect(replica.applied.at(-1)).toBe("last");
      expect(replica.applied).toEqual(cluster.replica(leader).applied);
      expect(replica.raft.log.lastIndex).toBe(cluster.raft(leader).log.lastIndex);
    }
  }

  private deliver(): void {
    const { random, cluster } = this;
    if (cluster.transit.length === 0) return;
    // Mostly in order: what comes out of order all the time never gets anywhere.
    const at = random.int(4) === 0 ? random.int(cluster.transit.length) : 0;
    const message = cluster.transit[at]!;
    if (random.int(20) > 0) cluster.transit.splice(at, 1);
    if (random.int(12) > 0) cluster.deliver(message);
  }

  private pass(ms: number): void {
    this.cluster.pass(ms, { quiet: true });
  }

  private propose(): void {
    const { cluster, random } = this;
    for (const id of cluster.leaders) {
      for (let i = random.int(4); i >= 0; i--) cluster.propose(id, `${++this.proposed}`);
    }
  }

  /** Whoever leads lets somebody join, leave, or become a voter or a learner, wise or not. */
  private changeMembership(): void {
    const { cluster, random } = this;
    for (const id of cluster.leaders) {
      const { voters, learners } = cluster.raft(id).configuration;
      const replica = 1 + random.int(cluster.voters.length);
      const without = (list: readonly number[]): number[] => list.filter((each) => each !== replica);
      const part = random.int(3);
      const proposed = cluster.raft(id).proposeConfiguration({
        voters: part === 0 ? [...without(voters), replica] : without(voters),
        learners: part === 1 ? [...without(learners), replica] : without(learners),
      });
      this.count(`change ${proposed}`);
    }
  }

  private takeSnapshot(replica: Replica): void {
    const { log } = replica.raft;
    if (!this.down.has(replica.id) && log.appliedIndex > log.compacted.index) replica.takeSnapshot();
  }

  private crash(replica: Replica): void {
    // A majority stays, mostly: else hardly anything is ever committed.
    if (this.down.size > this.random.int(this.cluster.voters.length)) return;
    this.down.add(replica.id);
    this.cluster.crash(replica.id);
  }

  private restart(replica: Replica): void {
    const { partial } = replica.snapshots;
    // What was stored was perhaps not all durable.
    if (partial !== undefined && this.random.int(3) === 0) {
      const bytes = partial.bytes.slice(0, this.random.int(partial.bytes.length + 1));
      replica.snapshots.partial = { snapshot: partial.snapshot, bytes };
    }
    this.down.delete(replica.id);
    this.cluster.restart(replica.id);
    if (partial !== undefined) this.count("restarted while receiving");
    if (replica.raft.log.restarted) this.count("restarted between snapshot and log");
    this.commitIndexes[replica.id] = 0;
  }

  private damage({ snapshots }: Replica): void {
    const { partial } = snapshots;
    const at = this.random.int(1 + (partial?.bytes.length ?? 0));
    if (partial?.bytes[at] !== undefined) partial.bytes[at] ^= 1;
  }

  private checkDurable(message: Message): void {
    const { disk, snapshots } = this.cluster.replica(message.from);
    const { partial } = snapshots;
    const held = Math.max(disk.compacted.index + disk.entries.length, snapshots.newest()?.snapshot.index ?? 0);
    if (message.type === "appendReply" && message.success) check(message.index <= held, "D2 entries are durable");
    if (message.type !== "snapshotReply") return;
    this.count(message.state);
    if (message.state === "installed") check(message.index <= held, "D2 a snapshot is durable");
    if (message.state === "receiving" && partial?.snapshot.index === message.index) {
      check(message.offset <= partial.bytes.length, "D2 what came in is durable");
    }
  }

  private checkReplica({ id, raft, disk, snapshots, applied }: Replica): void {
    const { log } = raft;
    const snapshotIndex = log.snapshot?.index ?? 0;
    check(log.compacted.index <= snapshotIndex, "what is forgotten is in a snapshot");
    check(snapshotIndex <= log.appliedIndex, "a snapshot is of what is applied");
    check(log.appliedIndex <= log.commitIndex && log.commitIndex <= log.lastIndex, "applied ≤ committed ≤ last");
    check(log.appliedIndex <= log.durableIndex && log.durableIndex <= log.lastIndex, "applied ≤ durable ≤ last");
    check(
      disk.compacted.index <= (snapshots.newest()?.snapshot.index ?? 0),
      "what the disk has forgotten can be restored",
    );
    const configuration = JSON.stringify(log.configurations.at(log.appliedIndex));
    const expected = this.configurations.get(log.appliedIndex) ?? configuration;
    check(configuration === expected, "who belongs to the group is known from what is applied");
    this.configurations.set(log.appliedIndex, expected);
    check(log.commitIndex >= (this.commitIndexes[id] ?? 0), "the commit index never falls");
    this.commitIndexes[id] = log.commitIndex;
    for (let index = log.compacted.index; index <= log.commitIndex; index++) {
      const term = this.committedTerms.get(index) ?? log.term(index);
      check(log.term(index) === term, "committed entries never change");
      if (term !== undefined) this.committedTerms.set(index, term);
    }
    const known = this.applied.length;
    applied.forEach((command, i) => check((this.applied[i] ?? command) === command, "one history is applied"));
    if (applied.length > known) this.applied.push(...applied.slice(known));
    const count = this.appliedCounts.get(log.appliedIndex) ?? applied.length;
    check(count === applied.length, "states of one index are equal");
    this.appliedCounts.set(log.appliedIndex, count);
  }

  private checkLeader({ id, raft, disk }: Replica): void {
    if (raft.role !== "leader" || this.leaders.get(raft.term) === id) return;
    // A sole voter leads at once, but shows it to nobody before its term is durable, and a crash undoes it.
    if (disk.hardState.term < raft.term) return;
    check(!this.leaders.has(raft.term), "a term has one leader");
    this.leaders.set(raft.term, id);
    for (const [index, term] of this.committedTerms) {
      if (index < raft.log.compacted.index) continue;
      check(raft.log.term(index) === term, "a new leader has all that was committed before");
    }
  }

  private count(event: string): void {
    this.events.set(event, (this.events.get(event) ?? 0) + 1);
  }
}

function check(condition: boolean, promise: string): void {
  if (!condition) throw new Error(promise);
}

test("replicas that lose, forget, crash and install come to one history", () => {
  const events = new Map<string, number>();
  for (let seed = 1; seed <= SEEDS; seed++) {
    const history = new History(new Prng(seed), events);
    try {
      for (let i = 0; i < STEPS; i++) history.step();
      history.recover();
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
  // What was to be tried was tried.
  for (const event of [
    "installed",
    "refused",
    "restarted while receiving",
    "restarted between snapshot and log",
    "change accepted",
  ]) {
    expect(events.get(event) ?? 0).toBeGreaterThan(0);
  }
}, 60_000);
