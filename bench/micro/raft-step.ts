import { bench, run, summary } from "mitata";
import { readPeerMessages, writePeerMessage } from "../../src/engine/peer-messages.ts";
import { ByteReader, ByteWriter } from "../../src/kernel/bytes.ts";
import { readMessage, writeMessage } from "../../src/raft/codec.ts";
import { RaftLog } from "../../src/raft/log.ts";
import { Raft } from "../../src/raft/raft.ts";
import type { EntryReader } from "../../src/raft/storage.ts";
import type { AppendRequest, Entry, Message, ReplicaId } from "../../src/raft/types.ts";

/** What a lock request takes, about. */
const PAYLOAD_BYTES = 128;
const payload = Uint8Array.from({ length: PAYLOAD_BYTES }, (_, i) => i + 1);
const VOTERS = [1, 2, 3];
const NOTHING: EntryReader = { read: () => [] };

/** Three cores on a network and disks that take no time. */
class Cores {
  private nowMs = 0;
  private readonly rafts: readonly Raft[];
  private transit: Message[] = [];

  constructor() {
    this.rafts = VOTERS.map((self) => this.core(self));
    while (this.leader.role !== "leader") {
      this.nowMs += 10;
      this.leader.tick(this.nowMs);
      this.settle();
    }
  }

  /** The leader takes entries; they are replicated, committed and applied on all three. */
  round(entries: number): void {
    for (let i = 0; i < entries; i++) this.leader.propose("command", payload);
    this.settle();
  }

  read(id: number): void {
    this.leader.read(id);
    this.settle();
  }

  get committed(): number {
    return this.leader.log.commitIndex;
  }

  private get leader(): Raft {
    return this.of(1);
  }

  private of(id: ReplicaId): Raft {
    const raft = this.rafts[id - 1];
    if (raft === undefined) throw new Error(`no replica ${id}`);
    return raft;
  }

  private core(self: ReplicaId): Raft {
    const options = {
      ...{
        group: 0,
        self,
        configuration: { voters: VOTERS, learners: [] },
        electionTimeoutMs: 300,
        heartbeatIntervalMs: 50,
      },
      ...{ maxUncommittedBytes: 2 ** 26, maxAppendBytes: 2 ** 19, maxInflightAppends: 256 },
      room: { take: () => true },
      random: () => self / 10,
    };
    const log = new RaftLog(0, NOTHING, undefined, 1024 * 1024);
    return new Raft(options, log, { term: 0, vote: 0 }, 0, 0);
  }

  private settle(): void {
    for (const raft of this.rafts) this.pump(raft);
    while (this.transit.length > 0) {
      const messages = this.transit;
      this.transit = [];
      for (const message of messages) this.of(message.to).step(message);
      for (const raft of this.rafts) this.pump(raft);
    }
  }

  private pump(raft: Raft): void {
    const effects = raft.takeEffects(this.nowMs);
    for (const message of effects.immediate) this.transit.push(message);
    raft.persisted(raft.flushMark());
    for (const message of effects.deferred) this.transit.push(message);
    raft.log.appliedIndex = Math.min(raft.log.commitIndex, raft.log.durableIndex);
    raft.log.trimCache();
  }
}

function append(count: number): AppendRequest {
  const entries = Array.from({ length: count }, (_, i): Entry => {
    return { index: 1_000_001 + i, term: 7, kind: "command", leaseTimeMs: 123_456_789, payload };
  });
  const envelope = { group: 0, from: 1, to: 2, term: 7 };
  const previous = { prevIndex: 1_000_000, prevTerm: 7, commitIndex: 999_990, leaseTimeMs: 123_456_790 };
  return { type: "append", ...envelope, ...previous, entries };
}

summary(() => {
  for (const count of [1, 64]) {
    const cores = new Cores();
    bench(`propose, replicate to two, commit: ${count} × ${PAYLOAD_BYTES} B`, () => cores.round(count));
  }
  const reading = new Cores();
  let read = 0;
  bench("read index: one round", () => reading.read(++read));
});

summary(() => {
  const writer = new ByteWriter(64 * 1024);
  for (const count of [1, 64]) {
    const message = append(count);
    bench(`encode an append of ${count} × ${PAYLOAD_BYTES} B`, () => {
      writer.reset();
      writeMessage(writer, message);
    });
    const encoded = new ByteWriter();
    writeMessage(encoded, message);
    const bytes = encoded.copy();
    bench(`decode an append of ${count} × ${PAYLOAD_BYTES} B`, () => readMessage(new ByteReader(bytes)));
  }
});

summary(() => {
  const proposals = Array.from({ length: 64 }, (_, i) => {
    return { ingress: 2 ** 50, sequence: 100_000 + i, attempt: 200_000 + i, reserved: false, payload };
  });
  const writer = new ByteWriter(64 * 1024);
  const message = { type: "proposals", group: 0, proposals } as const;
  bench("encode 64 forwarded proposals", () => {
    writer.reset();
    writePeerMessage(writer, message);
  });
  const encoded = new ByteWriter();
  writePeerMessage(encoded, message);
  const bytes = encoded.copy();
  bench("decode 64 forwarded proposals", () => readPeerMessages(bytes));
});

await run();
