import { expect, test } from "bun:test";
import type { SnapshotMade, SnapshotOrder } from "../../../src/engine/snapshot-maker.ts";
import { SnapshotQueue } from "../../../src/engine/snapshot-queue.ts";
import { snapshotOf } from "../../support/backup-file.ts";

const snapshot = snapshotOf(new Uint8Array(1));

function orderOf(group: number): SnapshotOrder {
  const excerpt = { group, from: 1, to: 1, segments: [], positions: [] };
  const point = { index: 1, term: 1, leaseTimeMs: 0, configuration: { voters: [1], learners: [] } };
  return { group, base: undefined, excerpt, point, stateHash: 0 };
}

test("one snapshot is made at a time, and who asks again waits behind all others", () => {
  const making: { group: number; done: SnapshotMade }[] = [];
  const begun: number[] = [];
  const queue = new SnapshotQueue({
    make: ({ group }, done) => {
      expect(making).toEqual([]);
      making.push({ group, done });
      begun.push(group);
    },
  });
  const ends: string[] = [];
  const ask = (group: number, again: boolean): void =>
    queue.make(orderOf(group), (failure, made) => {
      ends.push(`${group} ${failure?.reason ?? made?.index}`);
      if (again) ask(group, false);
    });
  for (const group of [0, 1, 2]) ask(group, group === 0);
  const end = (fails = false): void => {
    const { done } = making.shift()!;
    done(fails ? { reason: "died", message: "" } : undefined, fails ? undefined : snapshot);
  };
  for (const fails of [false, true, false, false]) end(fails);
  expect(begun).toEqual([0, 1, 2, 0]);
  expect(ends).toEqual([`0 ${snapshot.index}`, "1 died", `2 ${snapshot.index}`, `0 ${snapshot.index}`]);
});
