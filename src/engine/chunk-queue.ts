import { limits } from "../kernel/limits.ts";
import type { ChunkOrder } from "../raft/outbox.ts";
import type { GroupId, ReplicaId } from "../raft/types.ts";

/** A piece of a group's snapshot that is to be sent. */
export interface QueuedChunk extends ChunkOrder {
  readonly group: GroupId;
}

/** Of one follower: a window, and what was in one that was given up. More are lost as on the way: they are asked for again. */
const MAX_QUEUED = 64;

/** Pieces of snapshots on their way out: a few a turn, so that heartbeats and appends pass between them (PROTOCOLS D10). */
export class ChunkQueue {
  private readonly queues = new Map<ReplicaId, QueuedChunk[]>();

  /** Nothing waits. */
  get isEmpty(): boolean {
    return this.queues.size === 0;
  }

  add(chunk: QueuedChunk): void {
    const queue = this.queues.get(chunk.to);
    if (queue === undefined) this.queues.set(chunk.to, [chunk]);
    else if (queue.length < MAX_QUEUED) queue.push(chunk);
  }

  /** What was meant for it goes nowhere. */
  forget(peer: ReplicaId): void {
    this.queues.delete(peer);
  }

  /** Those of one turn: of each follower in turn, until there are enough bytes. */
  *next(): Generator<QueuedChunk, void> {
    let bytes = 0;
    for (const [peer, queue] of [...this.queues]) {
      if (bytes >= limits.maxTurnChunkBytes) return;
      const chunk = queue.shift();
      // To the end of the line.
      this.queues.delete(peer);
      if (queue.length > 0) this.queues.set(peer, queue);
      if (chunk === undefined) continue;
      bytes += chunk.bytes;
      yield chunk;
    }
  }
}
