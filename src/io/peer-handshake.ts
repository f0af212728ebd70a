import { ByteReader, ByteWriter, DecodeError } from "../kernel/bytes.ts";
import type { ReplicaId } from "../raft/types.ts";
import { limits } from "../kernel/limits.ts";
import type { PeerAddress, PeerIdentity, PeerMember } from "./peer-options.ts";

/**
 * Raised with every change that a node of another version would misread. What only adds something is sent to those whose
 * feature level says that they know it, and needs no new version. The handshake's head never changes.
 */
export const PEER_PROTOCOL_VERSION = 2;

/** "MFKP". */
const MAGIC = 0x504b464d;
const MAX_SENTENCE_CHARACTERS = 300;
const MAX_NAME_CHARACTERS = 80;

const REFUSAL_CODES = [
  "wrong_cluster",
  "newer_protocol",
  "unknown_protocol",
  "wrong_target",
  "duplicate_node",
  "unknown_node",
  "wiped_node",
  "removed_node",
] as const;

export type RefusalCode = (typeof REFUSAL_CODES)[number];

/** Why a handshake failed. The sentence is addressed to the operator of the node that was refused. */
export interface Refusal {
  readonly code: RefusalCode;
  readonly sentence: string;
}

/** Hello and welcome alike: who speaks, and whom the speaker believes to have reached. */
export interface Greeting extends PeerIdentity {
  readonly targetNodeId: string;
}

export function encodeGreeting(greeting: Greeting): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u32(PEER_PROTOCOL_VERSION);
  writer.string(greeting.clusterId);
  writer.string(greeting.nodeId);
  writer.varint(greeting.replica);
  writer.string(greeting.incarnation);
  writer.string(greeting.targetNodeId);
  for (const address of [greeting.peerAddress, greeting.clientAddress]) {
    writer.string(address?.host ?? "");
    writer.varint(address?.port ?? 0);
  }
  return writer.copy();
}

/** @returns undefined for bytes that are no greeting; a refusal for a greeting of another protocol version */
export function decodeGreeting(body: Uint8Array, self: PeerIdentity): Greeting | Refusal | undefined {
  return guarded(() => {
    const reader = new ByteReader(body);
    if (reader.u32() !== MAGIC) return undefined;
    const version = reader.u32();
    if (version !== PEER_PROTOCOL_VERSION) return refuseVersion(version, self);
    const clusterId = reader.string();
    const nodeId = reader.string();
    const replica = reader.varint();
    const incarnation = reader.string();
    const targetNodeId = reader.string();
    const peerAddress = readAddress(reader);
    const clientAddress = readAddress(reader);
    if (peerAddress === undefined) return undefined;
    // What follows is for those who know it.
    return { clusterId, nodeId, replica, incarnation, targetNodeId, peerAddress, clientAddress };
  });
}

function readAddress(reader: ByteReader): PeerAddress | undefined {
  const host = reader.string();
  const port = reader.varint();
  if (host.length > limits.maxHostBytes || port > 65_535) throw new DecodeError("an address has a host and a port");
  return host === "" ? undefined : { host, port };
}

export function isRefusal(outcome: object): outcome is Refusal {
  return "code" in outcome;
}

export function encodeRefusal(refusal: Refusal): Uint8Array {
  const writer = new ByteWriter();
  writer.u32(MAGIC);
  writer.u32(PEER_PROTOCOL_VERSION);
  writer.string(refusal.code);
  writer.string(refusal.sentence);
  return writer.copy();
}

/**
 * Reads the refusal of any version: its layout is fixed for ever. A code that is not known here counts as
 * `unknown_protocol`.
 */
export function decodeRefusal(body: Uint8Array): Refusal | undefined {
  return guarded(() => {
    const reader = new ByteReader(body);
    if (reader.u32() !== MAGIC) return undefined;
    reader.u32();
    const given = reader.string();
    const code = REFUSAL_CODES.find((known) => known === given) ?? "unknown_protocol";
    return { code, sentence: printable(reader.string(), MAX_SENTENCE_CHARACTERS) };
  });
}

/** What a greeting is checked against. Both ends of a connection check. */
export interface Expectation {
  readonly self: PeerIdentity;
  /** The other members. */
  readonly members: ReadonlyMap<ReplicaId, PeerMember>;
  /** A replica below this that is no member has left for good. */
  readonly settledBelow: ReplicaId;
  /** Whom this node dialed; undefined for a connection that it accepted. */
  readonly dialedNodeId: string | undefined;
  /** The greeting counts for more than what `members` says of its replica, which may yet fall back. */
  readonly isBelieved: boolean;
  /** What was persisted of the peer. */
  knownIncarnation(replica: ReplicaId): string | undefined;
  /** Of a connection with the peer that is alive at this moment. */
  liveIncarnation(replica: ReplicaId): string | undefined;
}

/** @returns the first reason why the greeting is not acceptable, or undefined when it is */
export function checkGreeting(greeting: Greeting, expectation: Expectation): Refusal | undefined {
  const { self, dialedNodeId } = expectation;
  const nodeId = printable(greeting.nodeId, MAX_NAME_CHARACTERS);
  if (greeting.clusterId !== self.clusterId) {
    return refuse("wrong_cluster", `this node is of another cluster than ${self.nodeId}: check --cluster and --peers`);
  }
  // A node whose own address stands in its peer list under another id talks to itself: that is a wrong target.
  if (greeting.nodeId === self.nodeId && greeting.incarnation !== self.incarnation) return refuseDuplicate(nodeId);
  if (greeting.targetNodeId !== self.nodeId) {
    const target = printable(greeting.targetNodeId, MAX_NAME_CHARACTERS);
    return refuse("wrong_target", `the peer address of ${target} leads to ${self.nodeId}: check --peers`);
  }
  if (dialedNodeId !== undefined && greeting.nodeId !== dialedNodeId) {
    return refuse("wrong_target", `the peer address of ${dialedNodeId} leads to ${nodeId}: check --peers`);
  }
  if (expectation.isBelieved) return checkIncarnation(greeting, nodeId, undefined, expectation);
  const member = expectation.members.get(greeting.replica);
  if (member === undefined && greeting.replica < expectation.settledBelow) return refuseRemoved();
  if (member?.nodeId !== greeting.nodeId) {
    return refuse("unknown_node", `${nodeId} as replica ${greeting.replica} is not a member that ${self.nodeId} knows`);
  }
  return checkIncarnation(greeting, nodeId, member.incarnation, expectation);
}

/** Replica ids are never used again, so whoever comes back joins as another replica. */
function refuseRemoved(): Refusal {
  const cure = "to have it back, start it with an empty --data and --join URL";
  return refuse("removed_node", `this node was removed from the cluster: ${cure}`);
}

/** @param written by the log; undefined: nothing that counts */
function checkIncarnation(
  greeting: Greeting,
  nodeId: string,
  written: string | undefined,
  expectation: Expectation,
): Refusal | undefined {
  const live = expectation.liveIncarnation(greeting.replica);
  if (live !== undefined && live !== greeting.incarnation) return refuseDuplicate(nodeId);
  // ↯ {A,B,C} grow by D and E, who never met B. B is wiped, A and C are down: by first contact alone D and E would let B
  // vote, and elect one that lacks what A, B and C have committed.
  const known = [written, expectation.knownIncarnation(greeting.replica)];
  if (known.every((incarnation) => incarnation === undefined || incarnation === greeting.incarnation)) return undefined;
  // PROTOCOLS M1: it may have forgotten votes and acknowledged entries.
  const cure = `run \`mufakat cluster replace ${nodeId}\` and start it with an empty --data and --join URL`;
  return refuse("wiped_node", `this node was wiped: ${cure}`);
}

function refuseDuplicate(nodeId: string): Refusal {
  return refuse("duplicate_node", `another process runs as ${nodeId}: every node needs an id of its own`);
}

function refuseVersion(version: number, self: PeerIdentity): Refusal {
  const versions = `this node speaks peer protocol ${version}, ${self.nodeId} speaks ${PEER_PROTOCOL_VERSION}`;
  return version > PEER_PROTOCOL_VERSION
    ? refuse("newer_protocol", `${versions}: upgrade ${self.nodeId}`)
    : refuse("unknown_protocol", `${versions}: upgrade this node`);
}

function refuse(code: RefusalCode, sentence: string): Refusal {
  return { code, sentence };
}

/** A peer's text ends on somebody's terminal: no control characters, no endless line. */
function printable(text: string, maxCharacters: number): string {
  return text.slice(0, maxCharacters).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}

function guarded<T>(decode: () => T): T | undefined {
  try {
    return decode();
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}
