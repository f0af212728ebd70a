import { demand } from "../../kernel/bytes.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readId } from "../fields.ts";
import { Ingress } from "../ingress.ts";
import type { QueueState } from "../state.ts";
import { readResult, writeResult } from "./results.ts";

/** By node: the process that takes requests first, then those that gave way, the oldest first. */
export function* writeIngresses(out: BlockWriter, { ingresses }: QueueState): Pieces {
  const nodes = [...ingresses.values()].sort((a, b) => (a.active.node < b.active.node ? -1 : 1));
  out.bytes.varint(nodes.length);
  for (const { active, retired } of nodes) {
    if (out.isFull) yield out.take();
    out.bytes.string(active.node);
    out.bytes.varint(retired.length);
    for (const ingress of [active, ...retired]) {
      if (out.isFull) yield out.take();
      out.bytes.varint(ingress.id);
      yield* writeWindow(out, ingress);
    }
  }
}

export function* readIngresses(input: BlockReader, { ingresses, limits }: QueueState): Steps {
  const nodes = input.bytes.varint();
  demand(nodes <= limits.maxIngressNodes, "more nodes than there may be");
  for (let i = 0; i < nodes; i++) {
    if (input.isEmpty) yield;
    const node = readId(input.bytes);
    const count = input.bytes.varint();
    demand(count <= limits.maxRetiredIngresses, "more processes of a node than there may be");
    demand(ingresses.active(node) === undefined, "a node twice");
    const processes: Ingress[] = [];
    for (let k = 0; k <= count; k++) {
      if (input.isEmpty) yield;
      const ingress = new Ingress(input.bytes.varint(), node);
      yield* readWindow(input, ingress);
      processes.push(ingress);
    }
    const [active, ...retired] = processes;
    demand(active !== undefined && ingresses.find(active.id) === undefined, "a process of two nodes");
    ingresses.insert(active, retired);
  }
}

function* writeWindow(out: BlockWriter, { window }: Ingress): Pieces {
  const results = [...window.entries()].sort(([a], [b]) => a - b);
  out.bytes.varint(window.floor);
  out.bytes.varint(results.length);
  for (const [sequence, result] of results) {
    if (out.isFull) yield out.take();
    out.bytes.varint(sequence);
    yield* writeResult(out, result);
  }
}

function* readWindow(input: BlockReader, { window }: Ingress): Steps {
  window.raiseFloor(input.bytes.varint());
  const count = input.bytes.varint();
  let last = window.floor - 1;
  for (let i = 0; i < count; i++) {
    if (input.isEmpty) yield;
    const sequence = input.bytes.varint();
    demand(sequence > last, "results of a window stand in order, above its floor");
    last = sequence;
    window.record(sequence, yield* readResult(input));
  }
}
