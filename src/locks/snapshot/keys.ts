import { type ByteReader, type ByteWriter, DecodeError, demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { principalId } from "../claimants.ts";
import { readId, readText } from "../codec.ts";
import { KeyRecord } from "../idempotency.ts";
import type { LockState } from "../state.ts";
import type { Principal } from "../types.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readSerial } from "./counters.ts";
import { readFlag, readResult, writeResult } from "./results.ts";

const NO_PRINCIPAL = 0;
/** Codes in snapshots, counted from 1: append only, never renumber. */
const KINDS: readonly Principal["kind"][] = ["session", "owner", "once"];

/** Where a key without a result waits is said by the operations that wait with it. */
export function* writeKeys(out: BlockWriter, { keys }: LockState): Pieces {
  const { bytes } = out;
  bytes.varint(keys.size);
  for (const { key, fingerprint, principal, serial, deadlineMs, result } of keys.ordered()) {
    if (out.isFull) yield out.take();
    bytes.string(key);
    bytes.varint(fingerprint);
    bytes.varint(serial);
    writePrincipal(bytes, principal);
    bytes.u8(result === undefined ? 0 : 1);
    if (result === undefined) continue;
    bytes.varint(deadlineMs);
    yield* writeResult(out, result);
  }
}

/** @returns how many have no result yet */
export function* readKeys(input: BlockReader, state: LockState): Steps<number> {
  const { keys, deadlines } = state;
  let open = 0;
  const count = input.bytes.varint();
  demand(count <= state.limits.maxIdempotencyKeys, "more keys than there may be");
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const { bytes } = input;
    const key = readText(bytes, 0, limits.maxIdempotencyKeyBytes);
    demand(keys.find(key) === undefined, "a key twice");
    const fingerprint = bytes.varint();
    const serial = readSerial(bytes, state);
    const record = new KeyRecord(key, fingerprint, readPrincipal(bytes), serial);
    keys.add(record);
    if (!readFlag(bytes)) {
      open += 1;
      continue;
    }
    deadlines.schedule(record, bytes.varint());
    record.result = yield* readResult(input);
  }
  return open;
}

function writePrincipal(bytes: ByteWriter, principal: Principal | undefined): void {
  if (principal === undefined) return bytes.u8(NO_PRINCIPAL);
  bytes.u8(1 + KINDS.indexOf(principal.kind));
  bytes.string(principalId(principal));
  if (principal.kind === "once") bytes.string(principal.node);
}

function readPrincipal(bytes: ByteReader): Principal | undefined {
  const code = bytes.u8();
  if (code === NO_PRINCIPAL) return undefined;
  const kind = KINDS[code - 1];
  if (kind === undefined) throw new DecodeError("unknown kind of principal");
  const id = readId(bytes);
  if (kind === "owner") return { kind, name: id };
  return kind === "once" ? { kind, id, node: readId(bytes) } : { kind, id };
}
