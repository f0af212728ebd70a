import { encodeMark, MARK_BYTES, UNIT_HEAD_BYTES } from "../../src/wal/frame.ts";
import { readU32, readU64 } from "../../src/wal/integers.ts";
import type { MemoryVolume } from "../../src/sim/memory-volume.ts";
import type { Volume } from "../../src/wal/volume.ts";

type Done = (error?: Error) => void;

/** The volume, but for some of its operations. */
function withOperations(volume: Volume, operations: Partial<Volume>): Volume {
  return {
    list: () => volume.list(),
    size: (name) => volume.size(name),
    read: (name, offset, length) => volume.read(name, offset, length),
    write: (name, offset, bytes) => volume.write(name, offset, bytes),
    sync: (name, done) => volume.sync(name, done),
    create: (name, size, done) => volume.create(name, size, done),
    remove: (name, done) => volume.remove(name, done),
    ...operations,
  };
}

export function lyingVolume(volume: Volume): Volume {
  return withOperations(volume, { sync: (_name, done) => done() });
}

/** What a start writes again it does not sync. The log that is open then writes behind it: only then syncs are made. */
export function trustsPageCache(volume: Volume): Volume {
  let step: "writing again" | "syncing" | "open" = "writing again";
  return withOperations(volume, {
    write(name, offset, bytes) {
      if (step === "syncing") step = "open";
      volume.write(name, offset, bytes);
    },
    sync(name, done) {
      if (step === "writing again") step = "syncing";
      if (step === "syncing") done();
      else volume.sync(name, done);
    },
  });
}

/** A sync that failed is made once more. The disk calls the pages clean, whatever became of them. */
export function retriesSync(volume: Volume): Volume {
  return withOperations(volume, {
    sync(name, done: Done) {
      volume.sync(name, (error) => (error === undefined ? done() : volume.sync(name, done)));
    },
  });
}

/** Marks a flush as durable in the write that it begins with. */
export function marksEarly(volume: Volume): Volume {
  return withOperations(volume, {
    write(name, offset, bytes) {
      volume.write(name, offset, bytes);
      const end = offset + bytes.length;
      // A mark alone, the head of a segment, zeros: no flush.
      if (bytes.length <= UNIT_HEAD_BYTES || offset === 0 || bytes[MARK_BYTES] === 0) return;
      if (end + MARK_BYTES > volume.size(name)) return;
      const segment = { name, bytes: volume.size(name), number: readU32(bytes, MARK_BYTES + 4) };
      const flush = { sequence: readU64(bytes, MARK_BYTES + 16), crc: readU32(bytes, MARK_BYTES + 32) };
      volume.write(name, end, encodeMark({ ...segment, salt: readU64(bytes, MARK_BYTES + 8) }, flush));
    },
  });
}

/** A new file is used before the directory knows it for good: a power cut takes away the one that was made last. */
export function forgetsDirectory(): (volume: MemoryVolume) => Volume {
  const newest = new WeakMap<MemoryVolume, { name: string; powerCuts: number }>();
  return (volume) => {
    const made = newest.get(volume);
    if (made !== undefined && made.powerCuts < volume.powerCuts && volume.list().includes(made.name)) {
      volume.lose(made.name);
    }
    newest.delete(volume);
    return withOperations(volume, {
      create(name, size, done) {
        volume.create(name, size, (error) => {
          if (error === undefined) newest.set(volume, { name, powerCuts: volume.powerCuts });
          done(error);
        });
      },
    });
  };
}
