import { crc32c } from "../../kernel/crc32c.ts";
import type { GroupId, Snapshot } from "../../raft/types.ts";
import type { LogRecord } from "../../wal/records.ts";
import { SNAPSHOT_HEAD_BYTES, decodeSnapshotHead } from "../../wal/snapshot-header.ts";
import type { MemorySnapshotFiles } from "../memory-snapshot-files.ts";
import { check } from "../violation.ts";

/** What a power cut would leave of a node's snapshots of one group, whatever else it takes (PROTOCOLS D8). */
export class DurableSnapshots {
  constructor(
    private readonly name: string,
    private readonly files: MemorySnapshotFiles,
    private readonly group: GroupId,
  ) {}

  /** Of the newest; 0: there is none. */
  get newestIndex(): number {
    return Math.max(0, ...this.whole().map(({ index }) => index));
  }

  /** Records are handed to the log: what they forget must be in a snapshot, and in another one in case that is damaged. */
  flushing(records: readonly LogRecord[]): void {
    for (const record of records) {
      if (record.type !== "logStart") continue;
      const { point, keepsRest } = record;
      const holding = this.whole().filter(({ index }) => index >= point.index);
      const indexes = (): string => holding.map(({ index }) => index).join(", ");
      check(holding.length >= (keepsRest ? 2 : 1), "D8 what is compacted is in durable snapshots", () => {
        return `${this.name} forgets entries up to ${point.index}, and of snapshots behind it has ${indexes()}`;
      });
    }
  }

  private whole(): Snapshot[] {
    const found: Snapshot[] = [];
    for (const [name, bytes] of this.files.durableFiles()) {
      if (!name.endsWith(".snapshot")) continue;
      const head = decodeSnapshotHead(bytes.subarray(0, SNAPSHOT_HEAD_BYTES));
      if (head === undefined || head === "newer" || head.group !== this.group) continue;
      const { snapshot } = head;
      const content = bytes.subarray(SNAPSHOT_HEAD_BYTES);
      if (content.length === snapshot.totalBytes && crc32c(content) === snapshot.digest) found.push(snapshot);
    }
    return found;
  }
}
