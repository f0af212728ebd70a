import { expect, test } from "bun:test";
import { crc32c } from "../../../src/kernel/crc32c.ts";
import { Prng } from "../../../src/kernel/prng.ts";
import type { Snapshot } from "../../../src/raft/types.ts";
import { MemorySnapshotFiles } from "../../../src/sim/memory-snapshot-files.ts";
import { SnapshotStore } from "../../../src/wal/snapshot-store.ts";
import { SnapshotWriter } from "../../../src/wal/snapshot-writer.ts";
import { filler } from "../../support/wal.ts";

const content = (index: number): Uint8Array => filler(100 + ((index * 977) % 5000), index);

const configuration = { voters: [1], learners: [] };

function factsOf(index: number): Snapshot {
  const bytes = content(index);
  return { index, term: 1, leaseTimeMs: index, configuration, totalBytes: bytes.length, digest: crc32c(bytes) };
}

/** One node's folder of snapshots over many lives, and what it was told is durable. */
class Node {
  private readonly files = new MemorySnapshotFiles({ delayed: true });
  private newest = 0;
  private incoming: { index: number; durable: number } | undefined;
  private highest = 0;
  readonly counts = { taken: 0, received: 0, resumed: 0, crashes: 0 };

  constructor(private readonly random: Prng) {}

  live(): void {
    const { files, random } = this;
    const store = new SnapshotStore(files);
    store.stored = (_group, error, { index }, durable) => {
      if (error !== undefined) throw error;
      if (this.incoming?.index === index) this.incoming.durable = durable;
    };
    this.check(store);
    const until = random.int(60);
    for (let steps = 0; steps < until; steps++) {
      const kind = random.int(6);
      if (kind === 0) this.take(store);
      else if (kind === 1) this.receive(store);
      else files.pump();
      store.prune(0, () => false);
    }
    this.counts.crashes++;
    if (random.int(2) === 0) files.crashProcess();
    else files.crashPower(() => random.next());
  }

  private check(store: SnapshotStore): void {
    const { newest, incoming } = store.recovered.get(0) ?? {};
    expect(newest?.index ?? 0).toBeGreaterThanOrEqual(this.newest);
    if (newest !== undefined) {
      expect(newest).toEqual(factsOf(newest.index));
      expect(store.read(0, newest, 0, newest.totalBytes)).toEqual(content(newest.index));
      this.newest = newest.index;
    }
    if (incoming === undefined) this.incoming = undefined;
    else {
      const { snapshot, durableBytes } = incoming;
      expect(snapshot).toEqual(factsOf(snapshot.index));
      this.incoming = { index: snapshot.index, durable: durableBytes };
      if (durableBytes > 0) this.counts.resumed++;
    }
    while (this.files.pump());
    // The two newest, what was thought to be gone, and what comes in.
    expect(this.files.list().filter((name) => name.endsWith(".tmp"))).toEqual([]);
    store.prune(0, () => false);
    while (this.files.pump());
    expect(this.files.list().length).toBeLessThanOrEqual(3);
  }

  private take(store: SnapshotStore): void {
    const index = (this.highest += 1 + this.random.int(3));
    const facts = factsOf(index);
    const writer = new SnapshotWriter(this.files, 0, { index, term: 1, leaseTimeMs: index, configuration });
    const bytes = content(index);
    for (let at = 0; at < bytes.length; at += 1000) writer.write(bytes.subarray(at, at + 1000));
    writer.finish((error, snapshot) => {
      if (snapshot === undefined) throw error ?? new Error("no snapshot");
      expect(snapshot).toEqual(facts);
      store.adopt(0, snapshot);
      this.newest = Math.max(this.newest, index);
      this.counts.taken++;
    });
  }

  private receive(store: SnapshotStore): void {
    if (this.incoming === undefined || this.random.int(6) === 0) {
      this.incoming = { index: (this.highest += 1), durable: 0 };
      store.receive(0, factsOf(this.incoming.index), 0, content(this.incoming.index).subarray(0, 50));
    }
    const { index } = this.incoming;
    const facts = factsOf(index);
    // All that was written is durable, so the next piece is known.
    while (this.files.pump());
    const { durable } = this.incoming;
    if (durable < facts.totalBytes) {
      const end = Math.min(facts.totalBytes, durable + 1 + this.random.int(2000));
      store.receive(0, facts, durable, content(index).subarray(durable, end));
      return;
    }
    this.incoming = undefined;
    store.complete(0, facts, (error) => {
      if (error !== undefined) throw error;
      this.newest = Math.max(this.newest, index);
      this.counts.received++;
    });
  }
}

test("no crash of process or power loses a durable snapshot, shows half a one, or leaves files behind", () => {
  const totals = { taken: 0, received: 0, resumed: 0, crashes: 0 };
  for (let seed = 1; seed <= 200; seed++) {
    const node = new Node(new Prng(seed));
    try {
      for (let life = 0; life < 12; life++) node.live();
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const key of ["taken", "received", "resumed", "crashes"] as const) totals[key] += node.counts[key];
  }
  expect(totals.taken).toBeGreaterThan(1000);
  expect(totals.received).toBeGreaterThan(200);
  expect(totals.resumed).toBeGreaterThan(200);
});
