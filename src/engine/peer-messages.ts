import { unreachable } from "../kernel/assert.ts";
import { ByteReader, type ByteWriter, DecodeError } from "../kernel/bytes.ts";
import { readMessage, writeMessage } from "../raft/codec.ts";
import type { GroupId, Message, ReplicaId } from "../raft/types.ts";
import { type DiskReport, diskStates } from "./disk-report.ts";
import { readNode, writeNode } from "../raft/configuration.ts";
import { type MembershipChange, type MembershipEnd, membershipEnds } from "./membership-change.ts";
import type { MembershipAnswer, MembershipQuestion } from "./membership.ts";
import { type TransferRefusal, transferRefusals } from "./transfers.ts";

/** An operation on its way to the leader. The leader sees opaque bytes; the ids are for a refusal. */
export interface ForwardedProposal {
  readonly ingress: number;
  readonly sequence: number;
  /** Rises with everything that the ingress sends: one that does not is a late or second copy, and is dropped. */
  readonly attempt: number;
  readonly reserved: boolean;
  readonly payload: Uint8Array;
}

export interface RefusedAttempt {
  readonly sequence: number;
  readonly attempt: number;
}

/** Codes on the wire: append only, never renumber. */
const proposalRefusals = ["notLeader", "overloaded", "diskFull"] as const;
export type ProposalRefusal = (typeof proposalRefusals)[number];

/** What nodes say to each other. Many share one frame: all that one turn has for one peer (PROTOCOLS R3). */
export type PeerMessage =
  | { readonly type: "raft"; readonly message: Message }
  | { readonly type: "proposals"; readonly group: GroupId; readonly proposals: readonly ForwardedProposal[] }
  /** These attempts never reached the log and never will: definite (PROTOCOLS Q2). */
  | {
      readonly type: "refused";
      readonly group: GroupId;
      readonly reason: ProposalRefusal;
      readonly ingress: number;
      readonly attempts: readonly RefusedAttempt[];
    }
  | { readonly type: "readRequest"; readonly group: GroupId; readonly id: number }
  /** `index` 0: not the leader, or no longer. */
  | { readonly type: "readReply"; readonly group: GroupId; readonly id: number; readonly index: number }
  /** Asks the leader to hand leadership over; `to` 0: to whom it likes. */
  | { readonly type: "transferRequest"; readonly group: GroupId; readonly id: number; readonly to: ReplicaId }
  | {
      readonly type: "transferRefused";
      readonly group: GroupId;
      readonly id: number;
      readonly reason: TransferRefusal;
    }
  /** Asks the leader for a change of the group's members. Only to who knows {@link MEMBERSHIP_LEVEL}. */
  | ({ readonly type: "membershipRequest"; readonly group: GroupId } & MembershipQuestion)
  | ({ readonly type: "membershipReply"; readonly group: GroupId } & MembershipAnswer)
  /** Up to which feature level the sender's program knows what entries mean (PROTOCOLS R7). */
  | { readonly type: "features"; readonly level: number }
  /** Of the sender's disk: of the node, not of a group. */
  | ({ readonly type: "disk" } & DiskReport)
  /** The sender's state as of `index` hashes so (PROTOCOLS R8). `formula`: hashes of another cannot be compared. */
  | {
      readonly type: "stateHash";
      readonly group: GroupId;
      readonly formula: number;
      readonly index: number;
      readonly hash: number;
    };

/** Of which group it speaks; undefined: of the node. */
export function groupOf(message: PeerMessage): GroupId | undefined {
  if (message.type === "raft") return message.message.group;
  return "group" in message ? message.group : undefined;
}

const RAFT = 1;
const PROPOSALS = 2;
const REFUSED = 3;
const READ_REQUEST = 4;
const READ_REPLY = 5;
const TRANSFER_REQUEST = 6;
const TRANSFER_REFUSED = 7;
const DISK = 8;
const STATE_HASH = 9;
const FEATURES = 10;
const MEMBERSHIP_REQUEST = 11;
const MEMBERSHIP_REPLY = 12;
const ADD_NODE = 0;
const REMOVE_REPLICA = 1;

export function writePeerMessage(writer: ByteWriter, message: PeerMessage): void {
  switch (message.type) {
    case "raft":
      writer.u8(RAFT);
      writeMessage(writer, message.message);
      return;
    case "proposals":
      writer.u8(PROPOSALS);
      writer.varint(message.group);
      writeProposals(writer, message.proposals);
      return;
    case "refused":
      writer.u8(REFUSED);
      writer.varint(message.group);
      writer.u8(proposalRefusals.indexOf(message.reason));
      writer.varint(message.ingress);
      writer.varint(message.attempts.length);
      for (const { sequence, attempt } of message.attempts) {
        writer.varint(sequence);
        writer.varint(attempt);
      }
      return;
    case "readRequest":
      writeHead(writer, READ_REQUEST, message);
      return;
    case "readReply":
      writeHead(writer, READ_REPLY, message);
      writer.varint(message.index);
      return;
    case "transferRequest":
      writeHead(writer, TRANSFER_REQUEST, message);
      writer.varint(message.to);
      return;
    case "transferRefused":
      writeHead(writer, TRANSFER_REFUSED, message);
      writer.u8(transferRefusals.indexOf(message.reason));
      return;
    case "membershipRequest":
      writeHead(writer, MEMBERSHIP_REQUEST, message);
      writer.varint(message.term);
      writer.varint(message.triedFrom);
      writeChange(writer, message.change);
      return;
    case "membershipReply":
      writeHead(writer, MEMBERSHIP_REPLY, message);
      writer.varint(message.term);
      writeEnd(writer, message.end);
      return;
    case "features":
      writer.u8(FEATURES);
      writer.varint(message.level);
      return;
    case "disk":
      writer.u8(DISK);
      writer.u8(diskStates.indexOf(message.state));
      writer.varint(message.medianSyncUs);
      return;
    case "stateHash":
      writer.u8(STATE_HASH);
      writer.varint(message.group);
      writer.varint(message.formula);
      writer.varint(message.index);
      writer.varint(message.hash);
      return;
    default:
      unreachable(message);
  }
}

function writeProposals(writer: ByteWriter, proposals: readonly ForwardedProposal[]): void {
  writer.varint(proposals.length);
  for (const proposal of proposals) {
    writer.varint(proposal.ingress);
    writer.varint(proposal.sequence);
    writer.varint(proposal.attempt);
    writer.u8(proposal.reserved ? 1 : 0);
    writer.blob(proposal.payload);
  }
}

/** @returns undefined when the frame is not what {@link writePeerMessage} writes; payloads are views on `frame` */
export function readPeerMessages(frame: Uint8Array): PeerMessage[] | undefined {
  const reader = new ByteReader(frame);
  const messages: PeerMessage[] = [];
  try {
    while (reader.remaining > 0) messages.push(readPeerMessage(reader));
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
  return messages;
}

function readPeerMessage(reader: ByteReader): PeerMessage {
  const type = reader.u8();
  switch (type) {
    case RAFT:
      return { type: "raft", message: readMessage(reader) };
    case PROPOSALS:
      return { type: "proposals", group: reader.varint(), proposals: readProposals(reader) };
    case REFUSED: {
      const group = reader.varint();
      const reason = readOneOf(reader, proposalRefusals);
      const ingress = reader.varint();
      const count = announced(reader, 2);
      const attempts: RefusedAttempt[] = [];
      for (let i = 0; i < count; i++) attempts.push({ sequence: reader.varint(), attempt: reader.varint() });
      return { type: "refused", group, reason, ingress, attempts };
    }
    case READ_REQUEST:
      return { type: "readRequest", group: reader.varint(), id: reader.varint() };
    case READ_REPLY:
      return { type: "readReply", group: reader.varint(), id: reader.varint(), index: reader.varint() };
    case TRANSFER_REQUEST:
      return { type: "transferRequest", group: reader.varint(), id: reader.varint(), to: reader.varint() };
    case TRANSFER_REFUSED:
      return {
        type: "transferRefused",
        group: reader.varint(),
        id: reader.varint(),
        reason: readOneOf(reader, transferRefusals),
      };
    case MEMBERSHIP_REQUEST: {
      const to = { group: reader.varint(), id: reader.varint(), term: reader.varint(), triedFrom: reader.varint() };
      return { type: "membershipRequest", ...to, change: readChange(reader) };
    }
    case MEMBERSHIP_REPLY: {
      const to = { group: reader.varint(), id: reader.varint(), term: reader.varint() };
      const type = readOneOf(reader, membershipEnds);
      return { type: "membershipReply", ...to, end: { type, replica: reader.varint() } };
    }
    case FEATURES:
      return { type: "features", level: reader.varint() };
    case DISK:
      return { type: "disk", state: readOneOf(reader, diskStates), medianSyncUs: reader.varint() };
    case STATE_HASH:
      return {
        ...{ type: "stateHash", group: reader.varint(), formula: reader.varint() },
        ...{ index: reader.varint(), hash: reader.varint() },
      };
    default:
      throw new DecodeError("unknown type of peer message");
  }
}

/** Of a question or an answer. */
function writeHead(
  writer: ByteWriter,
  type: number,
  { group, id }: { readonly group: GroupId; readonly id: number },
): void {
  writer.u8(type);
  writer.varint(group);
  writer.varint(id);
}

function writeChange(writer: ByteWriter, change: MembershipChange): void {
  writer.u8(change.type === "add" ? ADD_NODE : REMOVE_REPLICA);
  if (change.type === "add") writeNode(writer, change.node);
  else writer.varint(change.replica);
}

function writeEnd(writer: ByteWriter, { type, replica }: MembershipEnd): void {
  writer.u8(membershipEnds.indexOf(type));
  writer.varint(replica);
}

function readChange(reader: ByteReader): MembershipChange {
  const type = reader.u8();
  if (type === ADD_NODE) return { type: "add", node: readNode(reader) };
  if (type === REMOVE_REPLICA) return { type: "remove", replica: reader.varint() };
  throw new DecodeError("unknown change of the members");
}

function readProposals(reader: ByteReader): ForwardedProposal[] {
  const count = announced(reader, 5);
  const proposals: ForwardedProposal[] = [];
  for (let i = 0; i < count; i++) {
    const ingress = reader.varint();
    const sequence = reader.varint();
    const attempt = reader.varint();
    const reserved = readFlag(reader);
    proposals.push({ ingress, sequence, attempt, reserved, payload: reader.blob() });
  }
  return proposals;
}

function readOneOf<Value>(reader: ByteReader, values: readonly Value[]): Value {
  const value = values[reader.u8()];
  if (value === undefined) throw new DecodeError("unknown code");
  return value;
}

function readFlag(reader: ByteReader): boolean {
  const value = reader.u8();
  if (value > 1) throw new DecodeError("a flag is 0 or 1");
  return value === 1;
}

/** A count of things of at least `size` bytes each: a forged one cannot make us allocate. */
function announced(reader: ByteReader, size: number): number {
  const count = reader.varint();
  if (count > reader.remaining / size) throw new DecodeError("more announced than there are bytes");
  return count;
}
