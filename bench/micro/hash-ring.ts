import { bench, do_not_optimize, group, run } from "mitata";
import { HashRing } from "../../src/ring/hash-ring.ts";
import { hash64 } from "../../src/ring/hash64.ts";
import { placeShards } from "../../src/ring/placement.ts";

/** What it costs to find a key's owner, and what a change of members costs: a ring, and a placement of every shard. */

const nodes = Array.from({ length: 7 }, (_, i) => `node${i + 1}`);
const members = nodes.map((id) => ({ id, weight: 1 }));

group("hash64", () => {
  for (const bytes of [10, 100, 512]) {
    const text = "q".repeat(bytes);
    bench(`of ${bytes} B`, () => do_not_optimize(hash64(text)));
  }
});

group("a ring of 7 members", () => {
  const ring = new HashRing(members);
  bench("owner of a key", () => do_not_optimize(ring.owner("orders/4711")));
  bench("walk of a key", () => do_not_optimize(ring.walk("orders/4711")));
  bench("made", () => do_not_optimize(new HashRing(members)));
});

group("the placement of shards on 7 nodes", () => {
  for (const shards of [8, 64])
    bench(`${shards} shards`, () => do_not_optimize(placeShards({ nodes, shards, replicas: 3 })));
});

await run();
