import { limits } from "../kernel/limits.ts";
import { withNode, withoutNode } from "../raft/configuration.ts";
import { majority } from "../raft/quorum.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";
import { replicaOf } from "./members.ts";

/** What may be asked for. To replace a node is to remove its replica and then to add the node: two changes (PROTOCOLS M1). */
export type MembershipChange =
  /** As a learner. Without an incarnation it is whoever comes forward by that id. */
  { readonly type: "add"; readonly node: NodeFacts } | { readonly type: "remove"; readonly replica: ReplicaId };

/** Codes on the wire: append only, never renumber. */
export const membershipEnds = [
  /** It has committed. */
  "done",
  /** Nobody leads whom we could ask. Like the following: definite. */
  "notLeader",
  /** Another change is under way, or leadership moves. */
  "busy",
  /** A node of that id is a member. */
  "exists",
  "tooMany",
  "lastVoter",
  /** A node does not know yet how nodes join and leave (PROTOCOLS R7), or has not said so. */
  "outdated",
  /** Those who would remain could agree on nothing: too few of them are connected, or some are under repair. */
  "quorum",
  /** It may have happened, or may yet. */
  "timedOut",
] as const;

export interface MembershipEnd {
  readonly type: (typeof membershipEnds)[number];
  /** The one added, removed, in the way, or behind; 0: none. */
  readonly replica: ReplicaId;
}

/** What the leader does about a change next. */
export type MembershipStep =
  | { readonly type: "propose"; readonly configuration: Configuration }
  | { readonly type: "end"; readonly end: MembershipEnd };

/**
 * Asked again after each step, also by another leader: what has been done already is found in the configuration, so that
 * nothing is done twice.
 *
 * @param isSound whether the leader reaches the replica, and it has lost nothing; itself included
 */
export function nextStep(
  change: MembershipChange,
  configuration: Configuration,
  isSound: (replica: ReplicaId) => boolean,
): MembershipStep {
  return change.type === "add" ? add(change.node, configuration) : remove(change.replica, configuration, isSound);
}

function add(node: NodeFacts, configuration: Configuration): MembershipStep {
  const { voters, learners, facts } = configuration;
  const replica = replicaOf(configuration, node.nodeId);
  const known = replica === undefined ? undefined : facts?.nodes.get(replica);
  if (replica === undefined || known === undefined) {
    const next = nextReplica(configuration);
    if (voters.length + learners.length >= limits.maxNodes) return ended("tooMany", 0);
    const grown = { voters, learners: [...learners, next], facts: withNode(configuration, next, node) };
    return { type: "propose", configuration: grown };
  }
  if (node.incarnation !== 0 && known.incarnation === node.incarnation) return ended("done", replica);
  // Of a voter that is not known by its incarnation yet another process may hold the votes.
  const isOpen = known.incarnation === 0 && learners.includes(replica);
  if (!isOpen || (node.incarnation === 0 && !isSameAddress(known, node))) return ended("exists", replica);
  if (node.incarnation === 0) return ended("done", replica);
  return { type: "propose", configuration: { voters, learners, facts: withNode(configuration, replica, node) } };
}

function remove(
  replica: ReplicaId,
  configuration: Configuration,
  isSound: (replica: ReplicaId) => boolean,
): MembershipStep {
  const others = (replicas: readonly ReplicaId[]): ReplicaId[] => replicas.filter((other) => other !== replica);
  const voters = others(configuration.voters);
  const learners = others(configuration.learners);
  const isMember = voters.length + learners.length < configuration.voters.length + configuration.learners.length;
  if (!isMember) return ended("done", replica);
  if (voters.length === 0) return ended("lastVoter", replica);
  const isVoter = voters.length < configuration.voters.length;
  if (isVoter && voters.filter(isSound).length < majority(voters.length)) return ended("quorum", replica);
  const facts = withoutNode(configuration, replica);
  return { type: "propose", configuration: { voters, learners, ...(facts !== undefined && { facts }) } };
}

/** The one that who joins next gets: all below are taken, or were. Never falls along a log. */
export function nextReplica({ voters, learners, facts }: Configuration): ReplicaId {
  return facts?.nextReplica ?? Math.max(0, ...voters, ...learners) + 1;
}

/** The learner counts from now on. */
export function promoted(configuration: Configuration, learner: ReplicaId): Configuration {
  const { voters, learners } = configuration;
  return {
    ...configuration,
    voters: [...voters, learner].sort((a, b) => a - b),
    learners: learners.filter((other) => other !== learner),
  };
}

/** With what its nodes say of themselves; undefined when it says all that already. */
export function withAnnounced(
  configuration: Configuration,
  announced: (replica: ReplicaId) => NodeFacts | undefined,
): Configuration | undefined {
  let next = configuration;
  for (const [replica, known] of configuration.facts?.nodes ?? []) {
    const node = announced(replica);
    if (node === undefined || node.nodeId !== known.nodeId || isSameNode(known, node)) continue;
    if (known.incarnation !== 0 && known.incarnation !== node.incarnation) continue;
    next = { ...next, facts: withNode(next, replica, node) };
  }
  return next === configuration ? undefined : next;
}

function isSameNode(one: NodeFacts, other: NodeFacts): boolean {
  const isClient = isSame(one.clientAddress, other.clientAddress) || other.clientAddress === undefined;
  return one.incarnation === other.incarnation && isSameAddress(one, other) && isClient;
}

function isSameAddress(one: NodeFacts, other: NodeFacts): boolean {
  return isSame(one.peerAddress, other.peerAddress);
}

function isSame(one: NodeFacts["clientAddress"], other: NodeFacts["clientAddress"]): boolean {
  return one?.host === other?.host && one?.port === other?.port;
}

function ended(type: MembershipEnd["type"], replica: ReplicaId): MembershipStep {
  return { type: "end", end: { type, replica } };
}
