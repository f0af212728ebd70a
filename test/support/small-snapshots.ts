/** Loaded before the program (`bun --preload`): snapshots and compaction within seconds, and installs instead of long logs. */
import { limits } from "../../src/kernel/limits.ts";

const small = {
  snapshotEveryEntries: 400,
  snapshotEveryBytes: 256 * 1024,
  maxTrailingEntries: 50,
  maxHeldEntries: 300,
};

for (const [name, value] of Object.entries(small)) Reflect.set(limits, name, value);
