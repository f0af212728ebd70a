import { assert } from "../kernel/assert.ts";
import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { limits } from "../kernel/limits.ts";
import type { Configuration, ConfigurationFacts, NodeAddress, NodeFacts, ReplicaId } from "./types.ts";

/** A configuration and the entry that brought it; index 0: the first one, which no entry brought. */
export interface ConfigurationAt {
  readonly index: number;
  readonly configuration: Configuration;
}

/**
 * Whether one replica at most joins, leaves, or changes between voter and learner: then old and new majorities share one.
 * None does where only facts change.
 */
export function isOneStep(before: Configuration, after: Configuration): boolean {
  if (after.voters.length === 0) return false;
  const replicas = new Set([...before.voters, ...before.learners, ...after.voters, ...after.learners]);
  let changed = 0;
  for (const replica of replicas) if (roleIn(before, replica) !== roleIn(after, replica)) changed++;
  return changed === 1 || (changed === 0 && after.facts !== undefined && after.facts !== before.facts);
}

/** Equal members. Facts do not count: of the first configuration each node is told them by a person. */
export function isSame(one: Configuration, other: Configuration): boolean {
  return isSameList(one.voters, other.voters) && isSameList(one.learners, other.learners);
}

export function roleIn({ voters, learners }: Configuration, replica: ReplicaId): "voter" | "learner" | "none" {
  if (voters.includes(replica)) return "voter";
  return learners.includes(replica) ? "learner" : "none";
}

/** The payload of a `configuration` entry. */
export function encodeConfiguration(configuration: Configuration): Uint8Array {
  const writer = new ByteWriter(16);
  writeConfiguration(writer, configuration);
  return writer.copy();
}

/** @throws {DecodeError} for anything that {@link encodeConfiguration} does not write */
export function decodeConfiguration(payload: Uint8Array): Configuration {
  const reader = new ByteReader(payload);
  const configuration = readConfiguration(reader);
  reader.finish();
  return configuration;
}

export function writeConfiguration(writer: ByteWriter, { voters, learners, facts }: Configuration): void {
  for (const replicas of [voters, learners]) {
    writer.varint(replicas.length);
    for (const replica of replicas) writer.varint(replica);
  }
  writer.varint(facts?.nextReplica ?? 0);
  if (facts === undefined) return;
  for (const replica of [...voters, ...learners]) {
    const node = facts.nodes.get(replica);
    assert(node !== undefined && replica < facts.nextReplica, "a configuration has the facts of each replica");
    writeNode(writer, node);
  }
}

export function readConfiguration(reader: ByteReader): Configuration {
  const voters = readReplicas(reader);
  const learners = readReplicas(reader);
  const all = new Set([...voters, ...learners]);
  const isSound = voters.length > 0 && all.size === voters.length + learners.length && !all.has(0);
  if (!isSound) throw new DecodeError("a configuration has voters, and each replica once");
  const nextReplica = reader.varint();
  if (nextReplica === 0) return { voters, learners };
  if (Math.max(...all) >= nextReplica) throw new DecodeError("a replica has an id that nobody may have yet");
  const nodes = new Map<ReplicaId, NodeFacts>();
  for (const replica of all) nodes.set(replica, readNode(reader));
  return { voters, learners, facts: { nextReplica, nodes } };
}

export function writeNode(writer: ByteWriter, { nodeId, incarnation, peerAddress, clientAddress }: NodeFacts): void {
  writer.string(nodeId);
  writer.varint(incarnation);
  writeAddress(writer, peerAddress);
  writeAddress(writer, clientAddress ?? NO_ADDRESS);
}

export function readNode(reader: ByteReader): NodeFacts {
  const nodeId = reader.string();
  if (nodeId === "" || nodeId.length > limits.maxNodeIdBytes)
    throw new DecodeError("a node has an id, and no long one");
  const incarnation = reader.varint();
  const peerAddress = readAddress(reader);
  const clientAddress = readAddress(reader);
  return { nodeId, incarnation, peerAddress, clientAddress: clientAddress.host === "" ? undefined : clientAddress };
}

const NO_ADDRESS: NodeAddress = { host: "", port: 0 };

function writeAddress(writer: ByteWriter, { host, port }: NodeAddress): void {
  writer.string(host);
  writer.varint(port);
}

function readAddress(reader: ByteReader): NodeAddress {
  const host = reader.string();
  const port = reader.varint();
  if (host.length > limits.maxHostBytes || port > 65_535) throw new DecodeError("an address has a host and a port");
  return { host, port };
}

/** The facts of `configuration`, with those of one replica set, or changed. */
export function withNode({ facts }: Configuration, replica: ReplicaId, node: NodeFacts): ConfigurationFacts {
  const nextReplica = Math.max(facts?.nextReplica ?? 1, replica + 1);
  return { nextReplica, nodes: new Map(facts?.nodes).set(replica, node) };
}

/** The facts of `configuration` without one replica, whose id nobody gets again. */
export function withoutNode({ facts }: Configuration, replica: ReplicaId): ConfigurationFacts | undefined {
  if (facts === undefined) return undefined;
  const nodes = new Map(facts.nodes);
  nodes.delete(replica);
  return { nextReplica: facts.nextReplica, nodes };
}

function isSameList(one: readonly ReplicaId[], other: readonly ReplicaId[]): boolean {
  return one.length === other.length && one.every((replica, i) => replica === other[i]);
}

function readReplicas(reader: ByteReader): ReplicaId[] {
  const count = reader.varint();
  if (count > limits.maxReplicas) throw new DecodeError("a configuration has more replicas than a group may");
  return Array.from({ length: count }, () => reader.varint());
}

/**
 * The configurations that a log brings, in the order of their entries. The newest is in force from the moment that its entry
 * is in the log, committed or not, and falls back when that entry is truncated (thesis §4.1, PROTOCOLS R5).
 */
export class Configurations {
  /** Invariant: never empty; indexes rise. */
  private list: ConfigurationAt[];

  constructor(first: ConfigurationAt, later: readonly ConfigurationAt[]) {
    this.list = [first, ...later.filter(({ index }) => index > first.index)];
  }

  get current(): ConfigurationAt {
    return this.list.at(-1) ?? this.first;
  }

  /** The one that was in force when the entry at `index` was the last. Known from the beginning of the log on. */
  at(index: number): Configuration {
    return (this.list.findLast((each) => each.index <= index) ?? this.first).configuration;
  }

  /**
   * Those that may be in force: the one as of the commit index, and all later ones, which may fall back. A replica that none
   * of them knows has left for good.
   */
  since(commitIndex: number): readonly ConfigurationAt[] {
    const first = this.list.findLastIndex((each) => each.index <= commitIndex);
    return this.list.slice(Math.max(0, first));
  }

  /** The first one, unless a snapshot brought one. */
  begin(configuration: Configuration): void {
    if (this.first.index === 0) this.list[0] = { index: 0, configuration };
  }

  append(index: number, configuration: Configuration): void {
    assert(index > this.current.index, "configurations come in the order of their entries");
    this.list.push({ index, configuration });
  }

  truncate(from: number): void {
    while (this.list.length > 1 && this.current.index >= from) this.list.pop();
  }

  /** Entries up to `index` are forgotten. */
  compactTo(index: number): void {
    const kept = this.list.findLastIndex((each) => each.index <= index);
    this.list.splice(0, Math.max(0, kept));
  }

  restart(index: number, configuration: Configuration): void {
    this.list = [{ index, configuration }];
  }

  private get first(): ConfigurationAt {
    const [first] = this.list;
    assert(first !== undefined, "a log has a configuration");
    return first;
  }
}
