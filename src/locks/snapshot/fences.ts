import { demand } from "../../kernel/bytes.ts";
import { readName } from "../codec.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";

export function* writeFences(out: BlockWriter, { fences }: LockState): Pieces {
  out.bytes.varint(fences.size);
  for (const { key, highest } of fences.ordered()) {
    if (out.isFull) yield out.take();
    out.bytes.string(key);
    out.bytes.varint(highest);
  }
}

export function* readFences(input: BlockReader, { fences, limits }: LockState): Steps {
  const count = input.bytes.varint();
  demand(count <= limits.maxFences, "more fences than there may be");
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const resource = readName(input.bytes);
    demand(fences.find(resource) === undefined, "a fence twice");
    fences.offer(resource, input.bytes.varint());
  }
}
