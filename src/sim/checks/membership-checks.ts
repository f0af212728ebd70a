import { decodeConfiguration, roleIn } from "../../raft/configuration.ts";
import { majority } from "../../raft/quorum.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Configuration, Entry, ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** Who counts, by the entries that say so (PROTOCOLS R5). */
export class MembershipChecks {
  /** By index and term of their entries. */
  private readonly written = new Map<number, Configuration>();
  private inForce: Configuration;
  /** Index of the configuration in force when its last turn ended, by node. */
  private readonly newest: number[] = [];
  /** The term that it led when its last turn ended, by node. */
  private readonly led: number[] = [];
  /** In which somebody joined, left, or began to count, and that have committed. */
  changes = 0;

  constructor(first: Configuration) {
    this.inForce = first;
    this.written.set(0, first);
  }

  /** The newest that has committed anywhere. */
  get committed(): Configuration {
    return this.inForce;
  }

  appended({ kind, index, term, payload }: Entry): void {
    const key = index * TERMS + term;
    if (kind === "configuration" && !this.written.has(key)) this.written.set(key, decodeConfiguration(payload));
  }

  /** By the configuration that committed last. */
  isMember(replica: ReplicaId): boolean {
    return roleIn(this.inForce, replica) !== "none";
  }

  /** For the first time, anywhere. */
  committedAt(index: number, term: number): void {
    const configuration = this.written.get(index * TERMS + term);
    if (configuration === undefined) return;
    if (isOtherMembership(this.inForce, configuration)) this.changes++;
    this.inForce = configuration;
  }

  /**
   * Whether a majority of those who count hold it: by a configuration that was in force on the leader in the turn that ends, or
   * by any, if the node only heard of it.
   */
  isHeld(node: ReplicaId, { role, term, log }: Raft, holds: (replica: ReplicaId) => boolean): boolean {
    const isMajority = ({ voters }: Configuration): boolean => voters.filter(holds).length >= majority(voters.length);
    // What a leader commits may let it append the next one in the same turn.
    const inTurn = log.configurations.since(this.newest[node] ?? 0);
    if (inTurn.some(({ configuration }) => isMajority(configuration))) return true;
    // One that steps down in the turn in which its removal commits has counted, too.
    return role !== "leader" && this.led[node] !== term && [...this.written.values()].some(isMajority);
  }

  /** The node's turn is over, and was looked at. */
  turned(node: ReplicaId, { role, term, log }: Raft): void {
    this.newest[node] = log.configurations.current.index;
    this.led[node] = role === "leader" ? term : 0;
  }

  elected(node: ReplicaId, { term, log }: Raft, voted: (replica: ReplicaId) => boolean): void {
    const { voters } = log.configurations.current.configuration;
    const votes = voters.filter(voted);
    check(votes.length >= majority(voters.length), "R2 a leader has the votes of a majority", () => {
      return `node${node} leads term ${term} by the votes of ${votes.join(", ")}; voters are ${voters.join(", ")}`;
    });
  }

  observe(node: ReplicaId, { role, term, log }: Raft): void {
    const { current } = log.configurations;
    if (role !== "leader" || current.index <= log.commitIndex || log.term(current.index) !== term) return;
    const open = log.configurations.since(log.commitIndex);
    check(open.length <= 2, "R5 one change at a time", () => {
      return `node${node} has open changes at ${open.map(({ index }) => index).join(", ")}, committed is ${log.commitIndex}`;
    });
    check(log.term(log.commitIndex) === term, "R5 no change before an entry of the term has committed", () => {
      return `node${node} changes the members at ${current.index} in term ${term}, committed is ${log.commitIndex}`;
    });
    const [before, after] = open;
    if (before === undefined || after === undefined) return;
    check(isSmallStep(before.configuration, after.configuration), "R5 a change is by one replica", () => {
      return `node${node}: ${JSON.stringify(before)} to ${JSON.stringify(after)}`;
    });
  }

  /** Its program does not know what is in force. */
  behind(node: ReplicaId): void {
    check(
      roleIn(this.inForce, node) !== "voter",
      "R7 no voter is behind the feature level",
      () => `node${node} is one`,
    );
  }

  /** A node is told that it was removed. */
  leaves(node: ReplicaId): void {
    check(roleIn(this.inForce, node) === "none", "M1 only who has left is told so", () => `node${node} is a member`);
  }

  /** Of a shard, when the cluster has let the node go: as a learner it may have been taken in meanwhile, and nobody counts on it. */
  isLeft(node: ReplicaId): void {
    const role = roleIn(this.inForce, node);
    check(role !== "voter", "R6 who leaves the cluster has left every shard", () => `node${node} is a ${role}`);
  }
}

function isOtherMembership(one: Configuration, other: Configuration): boolean {
  return String([one.voters, one.learners]) !== String([other.voters, other.learners]);
}

function isSmallStep(before: Configuration, after: Configuration): boolean {
  const replicas = new Set([...before.voters, ...after.voters]);
  return [...replicas].filter((replica) => roleIn(before, replica) !== roleIn(after, replica)).length <= 1;
}
