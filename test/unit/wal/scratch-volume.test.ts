import { describe, expect, test } from "bun:test";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { ScratchVolume } from "../../../src/wal/scratch-volume.ts";
import { entries, entry, flush, hardState, open, readAll } from "../../support/wal.ts";

function written(): MemoryVolume {
  const volume = new MemoryVolume();
  const log = open(volume);
  flush(log, hardState(0, 3, 1), entries(0, entry(1, 3), entry(2, 3)));
  flush(log, entries(0, entry(3, 3), entry(4, 3)));
  return volume;
}

function bytesOf(volume: MemoryVolume): Map<string, Uint8Array> {
  return new Map(volume.list().map((name) => [name, volume.read(name, 0, volume.size(name))]));
}

describe("a scratch volume", () => {
  test("opens a log as its own volume would, and leaves every byte of that as it was", () => {
    const volume = written();
    const before = bytesOf(volume);
    const { writes, syncs } = volume;
    const log = open(new ScratchVolume(volume));
    expect(readAll(log)).toEqual(readAll(open(volume.clone())));
    flush(log, entries(0, entry(5, 3)));
    expect(bytesOf(volume)).toEqual(before);
    expect([volume.writes, volume.syncs]).toEqual([writes, syncs]);
    expect(open(volume).recovered.get(0)?.lastIndex).toBe(4);
  });

  test("cuts a torn tail off for whoever reads it, and lets it stand for everybody else", () => {
    const volume = written();
    const [name = ""] = volume.list().sort();
    const end = volume.read(name, 0, volume.size(name)).findLastIndex((byte) => byte !== 0);
    volume.damage(name, end, new Uint8Array([0]));
    const before = bytesOf(volume);
    expect(readAll(open(new ScratchVolume(volume))).map(({ index }) => index)).toEqual([1, 2]);
    expect(bytesOf(volume)).toEqual(before);
  });

  test("reads back what was written to it, however writes overlap, in files of its own, too", () => {
    const source = new MemoryVolume();
    source.create("a", 8, () => {});
    source.write("a", 0, new Uint8Array([1, 2, 3, 4, 5, 6, 7, 8]));
    const volume = new ScratchVolume(source);
    volume.write("a", 2, new Uint8Array([9, 9, 9]));
    volume.write("a", 4, new Uint8Array([7, 7]));
    expect([...volume.read("a", 1, 6)]).toEqual([2, 9, 9, 7, 7, 7]);
    expect([...volume.read("a", 3, 100)]).toEqual([9, 7, 7, 7, 8]);
    volume.create("b", 4, () => {});
    volume.write("b", 1, new Uint8Array([5]));
    expect([...volume.read("b", 0, 4)]).toEqual([0, 5, 0, 0]);
    volume.remove("a", () => {});
    expect([volume.list(), source.list()]).toEqual([["b"], ["a"]]);
  });
});
