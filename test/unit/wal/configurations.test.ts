import { expect, test } from "bun:test";
import { encodeConfiguration } from "../../../src/raft/configuration.ts";
import type { Configuration, Entry } from "../../../src/raft/types.ts";
import { MemoryVolume } from "../../../src/sim/memory-volume.ts";
import { entries, entry, flush, logStart, open, truncate } from "../../support/wal.ts";

const change = (index: number, configuration: Configuration): Entry => ({
  ...entry(index, 1, encodeConfiguration(configuration)),
  kind: "configuration",
});
const THREE: Configuration = { voters: [1, 2, 3], learners: [] };
const FOUR: Configuration = { voters: [1, 2, 3], learners: [4] };

test("a log that is opened knows the configurations that its entries bring, but for those truncated or compacted (R5)", () => {
  const volume = new MemoryVolume();
  const log = open(volume);
  flush(log, entries(0, change(1, THREE), entry(2, 1), change(3, FOUR), entry(4, 1)));
  expect(open(volume).recovered.get(0)?.configurations).toEqual([
    { index: 1, configuration: THREE },
    { index: 3, configuration: FOUR },
  ]);

  const truncating = open(volume);
  flush(truncating, truncate(0, 3));
  expect(open(volume).recovered.get(0)?.configurations).toEqual([{ index: 1, configuration: THREE }]);

  const compacting = open(volume);
  flush(compacting, logStart(0, 2));
  expect(open(volume).recovered.get(0)?.configurations).toBeUndefined();
});
