import { demand } from "../../kernel/bytes.ts";
import { Claimant } from "../claimants.ts";
import type { Ingress } from "../ingresses.ts";
import { Hold, Lock } from "../records.ts";
import type { PermitHold } from "../semaphores.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import type { KnownIngresses } from "./ingresses.ts";
import { readFlag } from "./results.ts";

/**
 * Operations whose grant ended or was renewed, in part at least, while their process had given way: a cancel of them finds
 * it still, and takes nothing. What is still held has said so itself. Only processes that did give way are searched.
 */
export function* writeForgotten(out: BlockWriter, known: KnownIngresses): Pieces {
  for (const [place, ingress] of known.all.entries()) {
    const forgotten = known.isConfirmed(place) ? [] : forgottenOf(ingress);
    if (out.isFull) yield out.take();
    out.bytes.varint(forgotten.length);
    for (const { sequence, together } of forgotten) {
      if (out.isFull) yield out.take();
      out.bytes.varint(sequence);
      out.bytes.u8(together ? 1 : 0);
    }
  }
}

/** Stands for any hold that is forgotten: to a cancel they are all the same. */
const FORGOTTEN = new Hold(new Lock("", 0), new Claimant("once", "", ""), 0, 0);

export function* readForgotten(input: BlockReader, known: KnownIngresses): Steps {
  for (const { granted } of known.all) {
    if (input.isEmpty) yield;
    const count = input.bytes.varint();
    for (let i = 0; i < count; i++) {
      if (input.isEmpty) yield;
      const sequence = input.bytes.varint();
      const together = readFlag(input.bytes);
      const others = granted.get(sequence);
      if (together && others instanceof Set) others.add(FORGOTTEN);
      else {
        demand(others === undefined, "an operation twice");
        granted.set(sequence, together ? new Set([FORGOTTEN]) : FORGOTTEN);
      }
    }
  }
}

/** Whether the hold says of itself that this operation was answered with it. */
export function isAnswerTo(hold: Hold | PermitHold, ingress: number, sequence: number): boolean {
  return hold.onlyAnswered?.ingress === ingress && hold.onlyAnswered.sequence === sequence;
}

function forgottenOf({ id, granted }: Ingress): { readonly sequence: number; readonly together: boolean }[] {
  const forgotten: { readonly sequence: number; readonly together: boolean }[] = [];
  for (const [sequence, holds] of granted) {
    const together = holds instanceof Set;
    const isWhole = together
      ? [...holds].every((hold) => isAnswerTo(hold, id, sequence))
      : isAnswerTo(holds, id, sequence);
    if (!isWhole) forgotten.push({ sequence, together });
  }
  return forgotten.sort((a, b) => a.sequence - b.sequence);
}
