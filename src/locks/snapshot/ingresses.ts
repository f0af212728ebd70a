import { demand } from "../../kernel/bytes.ts";
import { readId } from "../codec.ts";
import { Ingress } from "../ingresses.ts";
import type { LockState } from "../state.ts";
import type { BlockReader, BlockWriter, Pieces, Steps } from "../../kernel/snapshot-blocks.ts";
import { readResult, writeResult } from "./results.ts";

/**
 * All processes that the state knows, in the order in which they are written: by node, the one that takes requests first,
 * then those that gave way, the oldest first. Operations name theirs by its place here.
 */
export class KnownIngresses {
  readonly all: Ingress[] = [];
  /** Of each, grants that were found to be as their holds say. */
  private readonly confirmed: number[] = [];
  private readonly places = new Map<number, number[]>();

  add(ingress: Ingress): void {
    const places = this.places.get(ingress.id);
    if (places === undefined) this.places.set(ingress.id, [this.all.length]);
    else places.push(this.all.length);
    this.all.push(ingress);
    this.confirmed.push(0);
  }

  confirm(place: number): void {
    this.confirmed[place] = (this.confirmed[place] ?? 0) + 1;
  }

  /** Whether holds have spoken for all grants of the process. */
  isConfirmed(place: number): boolean {
    return this.confirmed[place] === this.all[place]?.granted.size;
  }

  at(place: number): Ingress {
    const ingress = this.all[place];
    demand(ingress !== undefined, "an operation of a process that is not there");
    return ingress;
  }

  /** Of one process, as a rule; an identity that gave way at one node may have come back at another. */
  placesOf(id: number): readonly number[] {
    return this.places.get(id) ?? [];
  }
}

export function* writeIngresses(out: BlockWriter, { ingresses }: LockState): Generator<Uint8Array, KnownIngresses> {
  const known = new KnownIngresses();
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
      known.add(ingress);
    }
  }
  return known;
}

export function* readIngresses(input: BlockReader, state: LockState): Steps<KnownIngresses> {
  const known = new KnownIngresses();
  const { ingresses, limits } = state;
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
      known.add(ingress);
      processes.push(ingress);
    }
    const [active, ...retired] = processes;
    demand(active !== undefined && ingresses.find(active.id) === undefined, "a process of two nodes");
    ingresses.insert(active, retired);
  }
  return known;
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
