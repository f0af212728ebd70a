import { describe, expect, test } from "bun:test";
import { ChunkQueue, type QueuedChunk } from "../../../src/engine/chunk-queue.ts";
import { limits } from "../../../src/kernel/limits.ts";

const configuration = { voters: [1, 2, 3], learners: [] };
const snapshot = { index: 9, term: 1, leaseTimeMs: 0, configuration, totalBytes: 1e9, digest: 7 };

function chunk(to: number, offset: number, bytes: number = limits.maxSnapshotChunkBytes): QueuedChunk {
  return { group: 0, to, term: 1, snapshot, offset, bytes };
}

function places(queue: ChunkQueue): string[] {
  return [...queue.next()].map(({ to, offset }) => `${to}@${offset}`);
}

describe("pieces of snapshots that wait to be sent", () => {
  test("leave a few a turn, in order, and each follower gets its turn", () => {
    const queue = new ChunkQueue();
    for (const offset of [0, 1, 2]) queue.add(chunk(2, offset));
    queue.add(chunk(3, 0));
    queue.add(chunk(4, 0));
    expect(places(queue)).toEqual(["2@0", "3@0"]);
    expect(places(queue)).toEqual(["4@0", "2@1"]);
    expect(places(queue)).toEqual(["2@2"]);
    expect(queue.isEmpty).toBe(true);
    expect(places(queue)).toEqual([]);
  });

  test("go nowhere once their follower is gone", () => {
    const queue = new ChunkQueue();
    queue.add(chunk(2, 0));
    queue.add(chunk(3, 0));
    queue.forget(2);
    expect(places(queue)).toEqual(["3@0"]);
  });

  test("are bounded: more of one follower are as good as lost on the way", () => {
    const queue = new ChunkQueue();
    for (let offset = 0; offset < 1_000; offset++) queue.add(chunk(2, offset, 1));
    queue.add(chunk(3, 0, 1));
    let sent = 0;
    while (!queue.isEmpty) sent += places(queue).length;
    expect(sent).toBe(65);
  });
});
