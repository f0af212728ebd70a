import { crc32c } from "../../src/kernel/crc32c.ts";
import type { Snapshot } from "../../src/raft/types.ts";
import { type BackupHead, BackupWriter } from "../../src/wal/backup-format.ts";

export const backupHead: Omit<BackupHead, "groups"> = {
  clusterName: "orders",
  clusterId: "0123456789abcdef0123456789abcdef",
  version: "0.1.0",
  wallMs: 1_760_000_000_000,
};

/** A backup of these states, of groups 0, 1, … */
export function backupFile(contents: readonly Uint8Array[], facts: Partial<Snapshot> = {}): Uint8Array {
  const writer = new BackupWriter();
  const parts = [writer.head({ ...backupHead, groups: contents.length })];
  for (const [group, content] of contents.entries()) {
    parts.push(writer.group(group, snapshotOf(content, facts)), writer.content(content));
  }
  return joined([...parts, writer.end()]);
}

export function snapshotOf(content: Uint8Array, facts: Partial<Snapshot> = {}): Snapshot {
  const place = { index: 1_000, term: 7, leaseTimeMs: 60_000, configuration: { voters: [1, 2, 3], learners: [] } };
  return { ...place, totalBytes: content.length, digest: crc32c(content), ...facts };
}

export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
