import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { bench, run, summary } from "mitata";
import { FileVolume } from "../../src/io/file-volume.ts";
import type { Entry } from "../../src/raft/types.ts";
import { MemoryVolume } from "../../src/sim/memory-volume.ts";
import { openLog } from "../../src/wal/open-log.ts";
import type { SegmentedLog } from "../../src/wal/log.ts";
import type { Volume } from "../../src/wal/volume.ts";

/** What a lock request takes, about. */
const PAYLOAD_BYTES = 128;
const payload = Uint8Array.from({ length: PAYLOAD_BYTES }, (_, i) => i + 1);

/** What remains of an append without a disk: encoding, CRC, the index. */
class Nowhere extends MemoryVolume {
  override write(): void {}
  override sync(_name: string, done: () => void): void {
    done();
  }
}

/** Milliseconds of each fdatasync of the real volume. */
const syncsMs: number[] = [];

function opened(volume: Volume): Promise<SegmentedLog> {
  let salt = 0;
  return new Promise((resolve, reject) => {
    openLog(volume, { identity: () => ++salt }, (error, log) => (log === undefined ? reject(error) : resolve(log)));
  });
}

/** Appends `count` entries and waits until they are durable. */
function appender(log: SegmentedLog, group: number, count: number): () => Promise<void> {
  let index = 0;
  return () => {
    const entries: Entry[] = [];
    for (let i = 0; i < count; i++)
      entries.push({ index: ++index, term: 1, kind: "command", leaseTimeMs: index, payload });
    return new Promise((resolve, reject) => {
      log.flush([{ type: "entries", group, entries }], (error) => (error === undefined ? resolve() : reject(error)));
    });
  };
}

function quantile(sorted: readonly number[], share: number): string {
  return (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(3);
}

// The system's temporary directory may be in memory: a directory on the disk in question may be given.
const directory = mkdtempSync(join(process.argv[2] ?? tmpdir(), "mufakat-bench-"));
try {
  const onDisk = await opened(new FileVolume(directory, { onSynced: (durationMs) => syncsMs.push(durationMs) }));
  const nowhere = await opened(new Nowhere());
  summary(() => {
    for (const count of [1, 16, 256])
      bench(`append + fdatasync ${count} × ${PAYLOAD_BYTES} B`, appender(onDisk, count, count));
  });
  summary(() => {
    for (const count of [1, 16, 256])
      bench(`append, no disk ${count} × ${PAYLOAD_BYTES} B`, appender(nowhere, count, count));
  });
  await run();
  syncsMs.sort((a, b) => a - b);
  console.log(
    `fdatasync: ${syncsMs.length} times, median ${quantile(syncsMs, 0.5)} ms, p99 ${quantile(syncsMs, 0.99)} ms`,
  );
} finally {
  rmSync(directory, { recursive: true });
}
