import type { LockMachine } from "../../../src/locks/lock-machine.ts";

/** The whole snapshot, in one. */
export function contentOf(machine: LockMachine): Uint8Array<ArrayBuffer> {
  return concatenate([...machine.snapshot()]);
}

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** @param pieceBytes how the content is cut on its way */
export function restoreInto(machine: LockMachine, content: Uint8Array, pieceBytes = content.length): LockMachine {
  const restoration = machine.restore();
  for (let at = 0; at < content.length; at += pieceBytes) restoration.take(content.subarray(at, at + pieceBytes));
  restoration.finish();
  return machine;
}
