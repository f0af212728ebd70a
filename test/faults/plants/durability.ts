import { Applier } from "../../../src/engine/applier.ts";
import { Engine } from "../../../src/engine/engine.ts";
import { RaftLog } from "../../../src/raft/log.ts";
import { Outbox } from "../../../src/raft/outbox.ts";
import { Raft } from "../../../src/raft/raft.ts";
import { EntrySource } from "../../../src/wal/entry-source.ts";
import { MARK_BYTES, readFrame } from "../../../src/wal/frame.ts";
import { FrameReader } from "../../../src/wal/frame-reader.ts";
import { readU32 } from "../../../src/wal/integers.ts";
import { ApartLog, BoastfulLog, CarelessLog, EarlyLog, ForgetfulLog } from "../logs.ts";
import { raftOnly } from "../messages.ts";
import { patch, patchGetter } from "../patch.ts";
import type { Plants } from "../plant.ts";
import { forgetsDirectory, lyingVolume, marksEarly, retriesSync, trustsPageCache } from "../volumes.ts";

/** Where a frame says at which offset of its file it stands. */
const FRAME_OFFSET_AT = 24;

/** What is on the disk, and what is said of it (PROTOCOLS D1–D9, M1). */
export const durabilityPlants: Plants = {
  "vote-before-disk": {
    rules: ["D1"],
    breaks: "votes and vote requests leave before term and vote are durable",
    check: "D1 a message of a term leaves after the term is durable",
    patches: [patchGetter(Outbox.prototype, "hardStateDurable", () => () => true)],
  },
  "term-and-vote-apart": {
    rules: ["D1"],
    breaks: "the vote is written after its term, in a flush of its own",
    check: "D1 term and vote are kept",
    classic: "term and vote written apart",
    log: (log) => new ApartLog(log),
  },
  "forgotten-vote": {
    rules: ["D1"],
    breaks: "the vote of a term is forgotten by a restart",
    check: "D1 term and vote are kept",
    log: (log) => new ForgetfulLog(log),
  },
  "early-durable": {
    rules: ["D2", "D1"],
    breaks: "a flush counts as durable when it begins",
    check: "D1 a message of a term leaves after the term is durable",
    log: (log) => new EarlyLog(log),
  },
  "overclaiming-reply": {
    rules: ["D2"],
    breaks: "an append reply claims one entry more than the node has",
    check: "D2 a reply covers what is durable",
    message: raftOnly((message) => {
      return message.type === "appendReply" && message.success ? { ...message, index: message.index + 1 } : message;
    }),
  },
  "hasty-reply": {
    rules: ["D2"],
    breaks: "an append is acknowledged before its entries are durable",
    check: "D2 a reply covers what is durable",
    patches: [
      patch(Outbox.prototype, Outbox.prototype.sendAfterFlush, () => {
        return function sendAfterFlush(message) {
          this.send(message);
        };
      }),
    ],
  },
  "late-completion": {
    rules: ["D2"],
    breaks: "a flush that ends counts for the entries that have taken the place of those that it wrote",
    check: "D2 a reply speaks of the leader's own entry",
    patches: [
      patch(RaftLog.prototype, RaftLog.prototype.markDurable, () => {
        return function markDurable(index) {
          this.durableIndex = Math.max(this.durableIndex, Math.min(index, this.lastIndex));
        };
      }),
    ],
  },
  "answers-old-leader": {
    rules: ["D2"],
    breaks: "an answer to an old leader leaves after what it speaks of was truncated",
    check: "D2 an answer to an earlier leader is void",
    patches: [patch(Raft.prototype, Raft.prototype.stillHolds, () => () => true)],
  },
  "applies-before-disk": {
    rules: ["D3"],
    breaks: "what is committed is applied before it is durable here",
    check: "D3 what is applied is durable here",
    patches: [
      patchGetter(Applier.prototype, "applicable", () => {
        return function applicable() {
          return this["options"].log.commitIndex;
        };
      }),
    ],
  },
  "flush-upon-flush": {
    rules: ["D4"],
    breaks: "a flush begins before the one before it is durable",
    check: "D1 a message of a term leaves after the term is durable",
    patches: [
      patch(Engine.prototype, Engine.prototype["startFlush"], (original) => {
        return function startFlush() {
          this["flushing"] = undefined;
          original.call(this);
        };
      }),
    ],
  },
  "mark-with-flush": {
    rules: ["D4"],
    breaks: "a flush is marked as durable by its own write, so what was torn looks corrupt",
    check: "D7 only damage is repaired",
    classic: "torn tail and corruption confused",
    volume: marksEarly,
  },
  "believed-misread": {
    rules: ["D4"],
    breaks: "a flush that is sound, but stands elsewhere in the file, passes for the one that was asked for",
    check: "all nodes apply the same entries",
    patches: [
      patch(FrameReader.prototype, FrameReader.prototype["frameAt"], () => {
        return function frameAt(segment, unitOffset) {
          const at = unitOffset - this["chunkBase"] + MARK_BYTES;
          const chunk = this["chunk"];
          if (at + FRAME_OFFSET_AT + 4 > chunk.length) return undefined;
          return readFrame(chunk, at, readU32(chunk, at + FRAME_OFFSET_AT) - at, segment);
        };
      }),
      patch(EntrySource.prototype, EntrySource.prototype["frameOf"], (original) => {
        return function frameOf(group, index, position) {
          const segment = this["segments"].get(position.segment);
          const frame = segment && this["frames"].read(segment, position.offset, group, index);
          const first = frame?.entries[0]?.index ?? 0;
          if (segment === undefined || frame === undefined || first === 0 || first <= index) {
            return original.call(this, group, index, position);
          }
          const entries = frame.entries.map((entry) => ({ ...entry, index: entry.index - first + index }));
          return { group, segment: segment.number, offset: position.offset, ...frame, entries };
        };
      }),
    ],
  },
  "lying-disk": {
    rules: ["D5"],
    breaks: "a sync returns before the disk has the bytes",
    check: "D4 a log opens after a crash",
    volume: lyingVolume,
  },
  "trusted-page-cache": {
    rules: ["D5"],
    breaks: "a start does not sync again what it reads",
    check: "D5 what was durable survives",
    volume: trustsPageCache,
  },
  "unsynced-directory": {
    rules: ["D5"],
    breaks: "a new file is used before its directory is synced",
    check: "D4 a log opens after a crash",
    classic: "directory not synced, renamed too early",
    volume: forgetsDirectory(),
  },
  "retried-sync": {
    rules: ["D9"],
    breaks: "a sync that failed is made once more, and succeeds",
    check: "D7 only damage is repaired",
    classic: "fsync error taken for one to retry",
    volume: retriesSync,
  },
  "boastful-disk": {
    rules: ["D9", "D2"],
    breaks: "on a full disk entries are acknowledged that were not written",
    check: "D2 a reply covers what is durable",
    log: (log) => new BoastfulLog(log),
  },
  "unbounded-disk": {
    rules: ["D9"],
    breaks: "entries are taken without room for them, and hold up terms and votes",
    check: "D9 entries are taken only where there is room for them",
    log: (log) => new CarelessLog(log),
  },
  "wiped-disk": {
    rules: ["M1"],
    breaks: "a node comes back with an empty disk under its old identity",
    check: "D5 what was durable survives",
    wipes: true,
  },
};
