import { type ByteReader, type ByteWriter, DecodeError, demand } from "../../kernel/bytes.ts";
import { limits } from "../../kernel/limits.ts";
import { readText } from "../codec.ts";
import { KeyRecord } from "../idempotency.ts";
import type { Ingress } from "../ingresses.ts";
import type { Hold, Operation, Timed, Wait } from "../records.ts";
import type { PermitHold } from "../semaphores.ts";
import type { LockState } from "../state.ts";
import {
  type BlockReader,
  type BlockWriter,
  type Pieces,
  readList,
  type Steps,
  writeList,
} from "../../kernel/snapshot-blocks.ts";
import type { Draft } from "./draft.ts";
import { isAnswerTo } from "./forgotten.ts";
import type { KnownIngresses } from "./ingresses.ts";

/** Codes of answers; from {@link FOUND} on twice the place of the process, plus one for holds that were granted together. */
const NONE = 0;
const NOT_FOUND = 1;
const FOUND = 2;

const NO_KEY = 0;
const KNOWN_KEY = 1;
const FORGOTTEN_KEY = 2;

/** The operation that alone was answered with the hold, and whether its process finds the hold by it. */
export function writeAnswer(bytes: ByteWriter, state: LockState, known: KnownIngresses, hold: Hold | PermitHold): void {
  const operation = hold.onlyAnswered;
  if (operation === undefined) return bytes.varint(NONE);
  const { ingress, sequence, key } = operation;
  const code = codeOf(known, operation, hold);
  bytes.varint(code);
  if (code === NOT_FOUND) bytes.varint(ingress);
  bytes.varint(sequence);
  writeKey(bytes, state, key);
}

export function readAnswer(bytes: ByteReader, { state, known }: Draft, hold: Hold | PermitHold): void {
  const code = bytes.varint();
  if (code === NONE) return;
  const ingress = code === NOT_FOUND ? undefined : known.at(Math.floor((code - FOUND) / 2));
  const id = ingress?.id ?? bytes.varint();
  const sequence = bytes.varint();
  hold.onlyAnswered = { ingress: id, sequence, key: readKey(bytes, state) };
  if (ingress === undefined) return;
  if (code % 2 === 1) addTogether(ingress, sequence, hold);
  else {
    const { granted } = ingress;
    const before = granted.size;
    granted.set(sequence, hold);
    demand(granted.size > before, "two holds that one operation was answered with");
  }
}

/** Operations in a wait, in the order of their arrival. */
export function* writeOperations(out: BlockWriter, state: LockState, known: KnownIngresses, wait: Wait): Pieces {
  yield* writeList(out, wait.operations, (bytes, { ingress: id, sequence, key }) => {
    const active = state.ingresses.find(id);
    bytes.varint(known.placesOf(id).find((place) => known.at(place) === active) ?? known.all.length);
    bytes.varint(sequence);
    writeKey(bytes, state, key);
  });
}

export function* readOperations(input: BlockReader, draft: Draft, wait: Wait): Steps {
  const { state, known } = draft;
  const operations = yield* readList(input, (bytes): Operation => {
    const ingress = known.at(bytes.varint());
    const sequence = bytes.varint();
    demand(state.ingresses.find(ingress.id) === ingress, "an operation waits, and its process gave way");
    demand(!ingress.waiting.has(sequence), "an operation waits twice");
    ingress.waiting.set(sequence, wait);
    const key = readKey(bytes, state);
    if (key !== undefined) waitWith(key, wait, draft);
    return { ingress: ingress.id, sequence, key };
  });
  demand(operations.length > 0 || wait.claimant.kind === "session", "a wait that nobody asked for");
  for (const operation of operations) wait.operations.push(operation);
  state.waitingOperations += operations.length;
}

function waitWith(key: KeyRecord, wait: Wait, draft: Draft): void {
  const isOpen = key.result === undefined && (key.wait === undefined || key.wait === wait);
  demand(isOpen && draft.state.keys.find(key.key) === key, "an operation waits with a key of another request");
  if (key.pending === 0) draft.openKeys -= 1;
  key.pending += 1;
  key.wait = wait;
}

/** By their serials, as they were granted. */
function addTogether({ granted }: Ingress, sequence: number, hold: Hold | PermitHold): void {
  const others = granted.get(sequence) ?? new Set<Hold>();
  if (!(others instanceof Set) || hold.kind !== "hold") throw new DecodeError("what was not granted together");
  demand(others.size <= limits.maxLocksPerRequest, "more holds than one request may be answered with");
  granted.set(sequence, new Set([...others, hold].sort(bySerial)));
}

/** Confirms the grant by the first of its holds, so that grants without any are noticed. */
function codeOf(known: KnownIngresses, { ingress, sequence }: Operation, hold: Hold | PermitHold): number {
  for (const place of known.placesOf(ingress)) {
    const holds = known.at(place).granted.get(sequence);
    if (holds === hold) {
      known.confirm(place);
      return FOUND + 2 * place;
    }
    if (!(holds instanceof Set) || hold.kind !== "hold" || !holds.has(hold)) continue;
    const [first] = holds;
    if (hold === first && [...holds].every((other) => isAnswerTo(other, ingress, sequence))) known.confirm(place);
    return FOUND + 2 * place + 1;
  }
  return NOT_FOUND;
}

/** One that is forgotten is known by its serial alone, and found by nothing. */
function writeKey(bytes: ByteWriter, { keys }: LockState, key: KeyRecord | undefined): void {
  if (key === undefined) return bytes.u8(NO_KEY);
  const isKnown = keys.find(key.key) === key;
  bytes.u8(isKnown ? KNOWN_KEY : FORGOTTEN_KEY);
  if (isKnown) bytes.string(key.key);
  else bytes.varint(key.serial);
}

function readKey(bytes: ByteReader, { keys }: LockState): KeyRecord | undefined {
  const code = bytes.u8();
  switch (code) {
    case NO_KEY:
      return undefined;
    case KNOWN_KEY: {
      const key = keys.find(readText(bytes, 0, limits.maxIdempotencyKeyBytes));
      demand(key !== undefined, "an operation has a key that is not there");
      return key;
    }
    case FORGOTTEN_KEY:
      return new KeyRecord("", 0, undefined, bytes.varint());
    default:
      throw new DecodeError("unknown kind of key");
  }
}

function bySerial(a: Timed, b: Timed): number {
  return a.serial - b.serial;
}
