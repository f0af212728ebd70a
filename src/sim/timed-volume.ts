import type { SyncTimes } from "../engine/sync-times.ts";
import type { Volume } from "../wal/volume.ts";

/** Measures how long the syncs of a volume take, as the edge of a real node does. */
export function timedVolume(volume: Volume, syncTimes: SyncTimes, nowMs: () => number): Volume {
  return {
    list: () => volume.list(),
    size: (name) => volume.size(name),
    read: (name, offset, length) => volume.read(name, offset, length),
    write: (name, offset, bytes) => volume.write(name, offset, bytes),
    sync: (name, done) => {
      const startMs = nowMs();
      volume.sync(name, (error) => {
        if (error === undefined) syncTimes.observe(nowMs() - startMs);
        done(error);
      });
    },
    create: (name, size, done) => volume.create(name, size, done),
    remove: (name, done) => volume.remove(name, done),
  };
}
