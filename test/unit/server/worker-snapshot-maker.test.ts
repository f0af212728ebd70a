import { describe, expect, test } from "bun:test";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { SnapshotFailure, SnapshotOrder } from "../../../src/engine/snapshot-maker.ts";
import { FileVolume } from "../../../src/io/file-volume.ts";
import { SnapshotDirectory } from "../../../src/io/snapshot-directory.ts";
import { LockMachine } from "../../../src/locks/lock-machine.ts";
import type { Entry, Snapshot } from "../../../src/raft/types.ts";
import { type WorkerMakerOptions, WorkerSnapshotMaker } from "../../../src/server/worker-snapshot-maker.ts";
import type { SegmentedLog } from "../../../src/wal/log.ts";
import { openLog } from "../../../src/wal/open-log.ts";
import { readSnapshot, SnapshotStore } from "../../../src/wal/snapshot-store.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { countingIdentity } from "../../support/wal.ts";
import { encodeEntry, randomLog } from "../locks/random-log.ts";
import { contentOf } from "../locks/snapshots.ts";

const configuration = { voters: [1], learners: [] };
const all: readonly Entry[] = randomLog(3, 400).map((entry, i) => ({ ...encodeEntry(entry, i + 1), term: 1 }));

/** A data directory with a log in it. */
class Place implements AsyncDisposable {
  private readonly temporary = temporaryDirectory();
  readonly logDirectory = this.make("wal");
  readonly snapshotDirectory = this.make("snapshots");
  readonly files = new SnapshotDirectory(this.snapshotDirectory);
  private readonly volume = new FileVolume(this.logDirectory);

  async openLog(): Promise<SegmentedLog> {
    const log = await new Promise<SegmentedLog>((resolve, reject) => {
      const options = { identity: countingIdentity(), segmentBytes: 65536 };
      openLog(this.volume, options, (error, opened) => (opened === undefined ? reject(error) : resolve(opened)));
    });
    await new Promise<void>((resolve, reject) =>
      log.flush(
        [0, 1].map((group) => ({ type: "entries", group, entries: all })),
        (error) => (error ? reject(error) : resolve()),
      ),
    );
    return log;
  }

  maker(others: Partial<WorkerMakerOptions> = {}): WorkerSnapshotMaker {
    const { logDirectory, snapshotDirectory, files } = this;
    return new WorkerSnapshotMaker({ logDirectory, snapshotDirectory, files, ...others });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.files.close();
    await this.volume.close();
    this.temporary[Symbol.dispose]();
  }

  private make(name: string): string {
    const path = join(this.temporary.path, name);
    mkdirSync(path);
    return path;
  }
}

function orderFor(log: SegmentedLog, index: number, base?: Snapshot, group = 0): SnapshotOrder {
  const machine = new LockMachine();
  for (const entry of all.slice(0, index)) machine.apply(entry, () => {});
  const { leaseTimeMs } = all[index - 1]!;
  const { excerpt } = log.pin(group, (base?.index ?? 0) + 1, index);
  const point = { index, term: 1, leaseTimeMs, configuration };
  return { group, base, excerpt, point, stateHash: machine.stateHash() };
}

interface Made {
  readonly failure: SnapshotFailure | undefined;
  readonly snapshot: Snapshot | undefined;
}

function made(maker: WorkerSnapshotMaker, order: SnapshotOrder): Promise<Made> {
  return new Promise((resolve) => maker.make(order, (failure, snapshot) => resolve({ failure, snapshot })));
}

describe("a thread that makes snapshots", () => {
  test("reads the log of a node and writes what its machine would, from the beginning or from the one before", async () => {
    await using place = new Place();
    const log = await place.openLog();
    const maker = place.maker();
    let base: Snapshot | undefined;
    for (const index of [150, 400]) {
      const { failure, snapshot } = await made(maker, orderFor(log, index, base));
      expect(failure).toBeUndefined();
      const machine = new LockMachine();
      for (const entry of all.slice(0, index)) machine.apply(entry, () => {});
      expect(readSnapshot(place.files, 0, snapshot!, 0, snapshot!.totalBytes)).toEqual(contentOf(machine));
      base = snapshot;
    }
    expect(new SnapshotStore(place.files).newest(0)).toEqual(base);
    await maker.close();
  });

  test("makes them for a group of another number, by its kind", async () => {
    await using place = new Place();
    const log = await place.openLog();
    const maker = place.maker({ kindOf: (group) => (group === 1 ? "control" : "queue") });
    const { snapshot } = await made(maker, orderFor(log, 150, undefined, 1));
    const machine = new LockMachine();
    for (const entry of all.slice(0, 150)) machine.apply(entry, () => {});
    expect(readSnapshot(place.files, 1, snapshot!, 0, snapshot!.totalBytes)).toEqual(contentOf(machine));
    // A machine of another kind makes something else of the same entries, and that is noticed.
    expect((await made(maker, orderFor(log, 150))).failure?.reason).toBe("diverged");
  });

  test("says what it could not do, and the next one can", async () => {
    await using place = new Place();
    const log = await place.openLog();
    const maker = place.maker();
    const order = orderFor(log, 100);
    expect((await made(maker, { ...order, stateHash: 1 })).failure).toMatchObject({ reason: "diverged" });
    expect((await made(maker, order)).snapshot).toMatchObject({ index: 100 });
  });

  test("that dies is a failure, and what it has written goes", async () => {
    await using place = new Place();
    const log = await place.openLog();
    place.files.create("0-0000000000000100-1-0.tmp");
    const maker = place.maker({ logDirectory: "/nowhere/at/all" });
    const { failure } = await made(maker, orderFor(log, 100));
    expect(failure?.reason).toBe("disk");
    const slow = place.maker({ deadlineMs: 0 });
    const late = await made(slow, orderFor(log, 100));
    expect(late.failure).toEqual({ reason: "died", message: "it was not made within 0 ms" });
    expect(place.files.list()).toEqual([]);
    await slow.close();
  });

  test("that is under way when the node stops says nothing any more, and touches nothing", async () => {
    await using place = new Place();
    const log = await place.openLog();
    const maker = place.maker();
    let told = false;
    maker.make(orderFor(log, 400), () => {
      told = true;
    });
    await maker.close();
    expect(told).toBe(false);
  });
});
