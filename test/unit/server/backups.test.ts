import { describe, expect, test } from "bun:test";
import { ApiError } from "../../../src/api/errors.ts";
import type { SnapshotMade } from "../../../src/engine/snapshot-maker.ts";
import type { Snapshot } from "../../../src/raft/types.ts";
import { Backups } from "../../../src/server/backups.ts";
import { GroupError } from "../../../src/server/control-group.ts";
import { BackupReader } from "../../../src/wal/backup-reader.ts";
import { appOver } from "../../support/app.ts";
import { joined, snapshotOf } from "../../support/backup-file.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

const content = Uint8Array.from({ length: 1_000_000 }, (_, i) => (i * 7) % 251);

/** A node whose snapshots a test makes. */
class Node {
  readonly group = new ScriptedControlGroup();
  readonly snapshot: Snapshot = snapshotOf(content);
  asked: SnapshotMade[] = [];
  pins = 0;
  reads = 0;
  /** What the file has. */
  bytes = content;
  /** Groups of which it has a replica. */
  readonly here = new Set([0, 1]);
  readonly backups: Backups;

  /** @param groups absent: the control group alone */
  constructor(groups = 1) {
    this.backups = new Backups({
      group: this.group,
      sources: Array.from({ length: groups }, (_, group) => ({
        group,
        isHere: () => this.here.has(group),
        readBarrier: () => this.group.readBarrier(),
        take: (done) => void this.asked.push(done),
      })),
      store: {
        pin: () => {
          this.pins++;
          return () => void this.pins--;
        },
        read: (_group, _snapshot, offset, length) => {
          this.reads++;
          return this.bytes.subarray(offset, offset + length);
        },
      },
      cluster: () => ({ clusterName: "orders", clusterId: "c1" }),
      wallMs: () => 1_760_000_000_000,
    });
  }

  /** The snapshot is there as soon as it is asked for. */
  async open(signal = new AbortController().signal): Promise<ReadableStream<Uint8Array>> {
    const opened = this.backups.open(signal);
    await settled();
    for (let next = this.asked.shift(); next !== undefined; next = this.asked.shift()) {
      next(undefined, this.snapshot);
      await settled();
    }
    return opened;
  }
}

async function settled(): Promise<void> {
  for (let i = 0; i < 5; i++) await Promise.resolve();
}

async function codeOf(work: Promise<unknown>): Promise<string | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    return error instanceof ApiError ? error.code : String(error);
  }
}

describe("a backup of a node", () => {
  test("is whole, says what it is of, and holds the snapshot's file until its end", async () => {
    const node = new Node();
    const stream = await node.open();
    expect(node.pins).toBe(1);
    const pieces: Uint8Array[] = [];
    for await (const piece of stream) pieces.push(piece);
    const found: Uint8Array[] = [];
    const facts: unknown[] = [];
    const reader = new BackupReader({
      head: (head) => facts.push(head),
      group: (group, snapshot) => facts.push([group, snapshot]),
      content: (bytes) => found.push(bytes.slice()),
    });
    for (const piece of pieces) reader.take(piece);
    reader.finish();
    expect(joined(found)).toEqual(content);
    expect(facts).toMatchObject([
      { clusterName: "orders", clusterId: "c1", wallMs: 1_760_000_000_000, groups: 1 },
      [0, node.snapshot],
    ]);
    expect(node.pins).toBe(0);
  });

  test("asks for a snapshot only behind a read barrier: what was acknowledged before is in it", async () => {
    const node = new Node();
    node.group.barrier = () => {
      throw new GroupError("no_leader");
    };
    expect(await codeOf(node.backups.open(new AbortController().signal))).toBe("no_leader");
    expect(node.asked).toEqual([]);
    node.group.barrier = () => 42;
    expect(await codeOf(node.open())).toBeUndefined();
  });

  test("is given to one at a time, and to the next when it ended, was cancelled, or its client has gone", async () => {
    const node = new Node();
    const first = await node.open();
    expect(await codeOf(node.open())).toBe("backup_under_way");
    await first.cancel();
    const leaving = new AbortController();
    await node.open(leaving.signal);
    expect(await codeOf(node.open())).toBe("backup_under_way");
    leaving.abort();
    expect(node.pins).toBe(0);
    // Gone before there was anything for it.
    expect(await codeOf(node.open(AbortSignal.abort()))).toBe("outcome_unknown");
    const last = await node.open();
    for await (const _piece of last);
    expect(await codeOf(node.open())).toBeUndefined();
  });

  test("is read from the file no faster than it is taken", async () => {
    const node = new Node();
    const reader = (await node.open()).getReader();
    for (let i = 0; i < 3; i++) await reader.read();
    await Bun.sleep(0);
    expect(node.reads).toBe(1);
    await reader.cancel();
  });

  test("has every group, each behind a barrier of its own, and holds the files of all until its end", async () => {
    const node = new Node(2);
    const stream = await node.open();
    expect([node.group.barriers, node.pins]).toEqual([2, 2]);
    const groups: number[] = [];
    const reader = new BackupReader({ groupEnd: (group) => groups.push(group) });
    for await (const piece of stream) reader.take(piece);
    reader.finish();
    expect([groups, node.pins]).toEqual([[0, 1], 0]);
  });

  test("is none where a group is elsewhere, or cannot be had: what is held by then is let go", async () => {
    const node = new Node(2);
    node.here.delete(1);
    expect(await codeOf(node.open())).toBe("backup_failed");
    expect(node.pins).toBe(0);
    node.here.add(1);
    const opened = node.backups.open(new AbortController().signal);
    await settled();
    node.asked.shift()?.(undefined, node.snapshot);
    await settled();
    expect(node.pins).toBe(1);
    node.asked.shift()?.({ reason: "noRoom", message: "" }, undefined);
    expect(await codeOf(opened)).toBe("disk_full");
    expect(node.pins).toBe(0);
    expect(await codeOf(node.open())).toBeUndefined();
  });

  test("that cannot be had is refused with why", async () => {
    const refusals = { noRoom: "disk_full", damaged: "backup_failed", died: "backup_failed" } as const;
    for (const [reason, code] of Object.entries(refusals)) {
      const node = new Node();
      const opened = node.backups.open(new AbortController().signal);
      await settled();
      node.asked.shift()?.({ reason: reason as keyof typeof refusals, message: "/secret/path" }, undefined);
      const error: unknown = await opened.catch((caught: unknown) => caught);
      expect(error).toMatchObject({ code });
      expect(JSON.stringify((error as ApiError).body())).not.toContain("/secret/path");
      expect(await codeOf(node.open())).toBeUndefined();
    }
  });

  test("whose file is cut short is cut off, and is no whole one", async () => {
    const node = new Node();
    node.bytes = content.subarray(0, 300_000);
    const stream = await node.open();
    const read = async (): Promise<void> => {
      for await (const _piece of stream);
    };
    expect(await read().catch(String)).toContain("cut short");
    expect(node.pins).toBe(0);
  });
});

describe("GET /cluster/backup", () => {
  test("answers with bytes, and with JSON when it refuses", async () => {
    const node = new Node();
    const { app } = appOver(node.group, { open: () => node.open() });
    const response = await app.request("/cluster/backup");
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/octet-stream"]);
    expect((await response.bytes()).length).toBeGreaterThan(content.length);
    expect((await app.request("/v1/cluster/backup")).status).toBe(200);
    const refused = await app.request("/cluster/backup");
    expect([refused.status, await refused.json()]).toMatchObject([409, { error: { code: "backup_under_way" } }]);
    expect((await app.request("/cluster/backup?group=1")).status).toBe(400);
    // Nobody would take the bytes.
    const { app: other } = appOver(node.group, { open: () => expect.unreachable() });
    expect((await other.request("/cluster/backup", { method: "HEAD" })).status).toBe(405);
    const foreign = { headers: { "sec-fetch-site": "cross-site" } };
    expect((await app.request("/cluster/backup", foreign)).status).toBe(403);
  });
});
