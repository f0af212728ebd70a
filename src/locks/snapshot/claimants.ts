import { type ByteReader, type ByteWriter, DecodeError, demand } from "../../kernel/bytes.ts";
import type { Claimant } from "../claimants.ts";
import { readId } from "../codec.ts";
import type { LockState } from "../state.ts";
import type { Principal } from "../types.ts";
import type { NumberedSessions } from "./sessions.ts";

/** Codes in snapshots: append only, never renumber. */
const KINDS: readonly Principal["kind"][] = ["session", "owner", "once"];

/** A session by its number, for its id is long and stands with the session. */
export function writeClaimant(bytes: ByteWriter, state: LockState, { kind, id, publicName, hash }: Claimant): void {
  bytes.u8(KINDS.indexOf(kind));
  if (kind === "session") {
    bytes.varint(state.sessions.find(id, hash)?.number ?? 0);
    return;
  }
  bytes.string(id);
  if (kind === "once") bytes.string(publicName);
}

/** @returns known, or made: the caller gives it something to hold or to wait for */
export function readClaimant(bytes: ByteReader, state: LockState, sessions: NumberedSessions): Claimant {
  const kind = KINDS[bytes.u8()];
  if (kind === undefined) throw new DecodeError("unknown kind of claimant");
  if (kind === "session") {
    const session = sessions.at(bytes.varint());
    return state.claimants.findOrAdd({ kind, id: session.id }, session.name);
  }
  const id = readId(bytes);
  if (kind === "owner") return state.claimants.findOrAdd({ kind, name: id }, id);
  const node = readId(bytes);
  const claimant = state.claimants.findOrAdd({ kind, id, node }, node);
  demand(claimant.publicName === node, "one request came through two nodes");
  return claimant;
}
