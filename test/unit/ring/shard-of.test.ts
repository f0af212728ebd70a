import { describe, expect, test } from "bun:test";
import { shardOf } from "../../../src/ring/shard-of.ts";

describe("the shard of a queue", () => {
  // ↯ It hashes otherwise after an upgrade: every queue looks empty, and its messages lie in a shard that nobody asks.
  test.each([
    ["orders", 8, 5],
    ["emails", 8, 7],
    ["", 8, 0],
    ["antrean/ünï-🦊", 8, 6],
    ["orders", 64, 45],
    ["orders", 1, 0],
  ])("%p of %i is the one in which clusters have it already", (queue, shards, shard) => {
    expect(shardOf(queue, shards)).toBe(shard);
  });
});
