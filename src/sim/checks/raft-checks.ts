import { unreachable } from "../../kernel/assert.ts";
import { majority } from "../../raft/quorum.ts";
import type { Raft } from "../../raft/raft.ts";
import type { GroupLog } from "../../raft/storage.ts";
import type { Entry, Message, ReplicaId } from "../../raft/types.ts";
import type { LogRecord } from "../../wal/records.ts";
import { hashBytes } from "../hash-bytes.ts";
import { check } from "../violation.ts";
import { DurableNode } from "./durable-state.ts";
import type { DurableSnapshots } from "./snapshot-checks.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** What Raft promises (Raft §5, figure 3), and what this implementation promises of its disk (PROTOCOLS D1, D2, R2). */
export class RaftChecks {
  /** By term. */
  private readonly leaders = new Map<number, ReplicaId>();
  /** By node and term. */
  private readonly votes = new Map<number, ReplicaId>();
  /** Hash of the entry and of the term before it, by index and term. */
  private readonly entries = new Map<number, number>();
  /** Term of every entry that some node held to be committed, by index. */
  private readonly committedTerms: number[] = [0];
  /** How far each process has been compared, by node. */
  private readonly compared: number[] = [];
  private readonly disks: DurableNode[] = [];
  private readonly snapshots: DurableSnapshots[] = [];
  /** What is being written, by node. */
  private readonly flushes: (readonly LogRecord[])[] = [];
  elections = 0;

  /** When each entry was first written somewhere, by index and term, in real ms. */
  private readonly firstWrittenMs = new Map<number, number>();

  constructor(
    private readonly nodes: number,
    private readonly nowMs: () => number,
  ) {
    for (let node = 0; node <= nodes; node++) {
      this.disks.push(new DurableNode(node));
      this.compared.push(0);
    }
  }

  get committedIndex(): number {
    return this.committedTerms.length - 1;
  }

  get highestTerm(): number {
    return Math.max(0, ...this.leaders.keys());
  }

  started(node: ReplicaId, log: GroupLog | undefined, snapshots: DurableSnapshots, rotten: boolean): void {
    this.disk(node).recovered(log, rotten);
    this.snapshots[node] = snapshots;
    this.compared[node] = 0;
  }

  flushing(node: ReplicaId, records: readonly LogRecord[]): void {
    this.disk(node).flushing(records);
    this.flushes[node] = records;
    for (const record of records) {
      if (record.type !== "entries") continue;
      for (const { index, term } of record.entries) {
        const key = index * TERMS + term;
        if (!this.firstWrittenMs.has(key)) this.firstWrittenMs.set(key, this.nowMs());
      }
    }
  }

  /** When the entry was first written. */
  writtenMs({ index, term }: Entry): number {
    return this.firstWrittenMs.get(index * TERMS + term) ?? this.nowMs();
  }

  /** Only now does what was written count: a lone node may lead a term, die, and lead it again without having shown it. */
  durable(node: ReplicaId): void {
    const disk = this.disk(node);
    disk.durable();
    this.voted(node, disk.term, disk.vote);
    for (const record of this.flushes[node] ?? []) {
      if (record.type !== "entries") continue;
      for (const entry of record.entries) {
        // Void again if a truncation follows in the same flush.
        if (disk.termAt(entry.index) === entry.term) this.entryExists(node, entry, disk.termAt(entry.index - 1) ?? 0);
      }
    }
    this.flushes[node] = [];
  }

  /** A message leaves a node. */
  sent(message: Message): void {
    const { from, term } = message;
    const disk = this.disk(from);
    const probes = message.type === "preVoteRequest" || (message.type === "preVoteReply" && message.granted);
    check(probes || term <= disk.term, "D1 a message of a term leaves after the term is durable", () => {
      return `node${from} sends ${message.type} of term ${term}, durable is ${disk.term}`;
    });
    switch (message.type) {
      case "voteRequest":
        this.voted(from, term, from);
        this.stands(from);
        break;
      case "voteReply":
        if (!message.granted) break;
        this.voted(from, term, message.to);
        check(disk.vote === message.to || disk.term > term, "D1 a vote is durable before it leaves", () => {
          return `node${from} votes for node${message.to} in term ${term}, durable is a vote for ${disk.vote}`;
        });
        break;
      case "append":
      case "heartbeat":
      case "snapshotChunk":
        this.leads(from, term);
        break;
      case "appendReply":
        if (message.success) this.acknowledges(from, message.index, message.repairing === true);
        break;
      case "snapshotReply":
        if (message.state === "installed") this.acknowledges(from, message.index, message.repairing === true);
        break;
      case "preVoteRequest":
        this.stands(from);
        break;
      case "preVoteReply":
      case "heartbeatReply":
      case "timeoutNow":
        break;
      default:
        unreachable(message);
    }
  }

  private stands(node: ReplicaId): void {
    check(!this.disk(node).repairing, "D7 a node under repair does not stand", () => `node${node} asks for votes`);
  }

  /** A node's turn is over. */
  observe(node: ReplicaId, raft: Raft): void {
    if (raft.role === "leader" && this.leads(node, raft.term)) this.checkComplete(node, raft);
    const { log } = raft;
    const { index: compacted, term } = log.compacted;
    const compared = this.compared[node] ?? 0;
    check(log.commitIndex >= compared, "the commit index never falls", () => {
      return `node${node} had committed ${compared}, and now ${log.commitIndex}`;
    });
    if (compacted > compared) this.committed(node, compacted, term);
    for (let index = Math.max(compared, compacted) + 1; index <= log.commitIndex; index++) {
      this.committed(node, index, log.term(index) ?? 0);
    }
    this.compared[node] = log.commitIndex;
  }

  private acknowledges(node: ReplicaId, index: number, repairing: boolean): void {
    const { lastIndex, repairing: lacks } = this.disk(node);
    check(repairing || !lacks, "D7 a node under repair says so", () => {
      return `node${node} acknowledges ${index} as if it had lost nothing`;
    });
    if (index <= lastIndex) return;
    const snapshot = this.snapshots[node]?.newestIndex ?? 0;
    check(index <= snapshot, "D2 a reply covers what is durable", () => {
      return `node${node} acknowledges ${index}, durable are entries up to ${lastIndex} and a snapshot of ${snapshot}`;
    });
  }

  private disk(node: ReplicaId): DurableNode {
    return this.disks[node] as DurableNode;
  }

  private voted(node: ReplicaId, term: number, vote: ReplicaId): void {
    if (vote === 0) return;
    const key = node * TERMS + term;
    const before = this.votes.get(key);
    check(before === undefined || before === vote, "one vote a term", () => {
      return `node${node} votes for node${vote} in term ${term} after node${before}`;
    });
    this.votes.set(key, vote);
  }

  /** @returns whether this is the first sign of it */
  private leads(node: ReplicaId, term: number): boolean {
    const known = this.leaders.get(term);
    check(known === undefined || known === node, "election safety", () => {
      return `term ${term} has two leaders: node${known} and node${node}`;
    });
    if (known !== undefined) return false;
    this.leaders.set(term, node);
    this.elections++;
    return true;
  }

  private checkComplete(node: ReplicaId, raft: Raft): void {
    for (let index = Math.max(1, raft.log.compacted.index); index <= this.committedIndex; index++) {
      check(raft.log.term(index) === this.committedTerms[index], "leader completeness", () => {
        return `node${node} leads term ${raft.term} without entry ${this.committedTerms[index]}/${index}`;
      });
    }
  }

  private committed(node: ReplicaId, index: number, term: number): void {
    const known = this.committedTerms[index];
    if (known !== undefined) {
      check(known === term, "committed entries never change", () => {
        return `node${node} commits ${term}/${index}, committed before was ${known}/${index}`;
      });
      return;
    }
    check(index === this.committedIndex + 1, "commitment has no gap", () => `node${node} commits ${index}`);
    let holders = 0;
    for (let other = 1; other <= this.nodes; other++) if (this.disk(other).holds(index, term)) holders++;
    check(holders >= majority(this.nodes), "D2 committed is durable on a majority", () => {
      return `node${node} commits ${term}/${index} that is on the disks of ${holders} of ${this.nodes} nodes`;
    });
    this.committedTerms.push(term);
  }

  /** Log matching: an index and a term name one entry with one history. */
  private entryExists(node: ReplicaId, entry: Entry, termBefore: number): void {
    const key = entry.index * TERMS + entry.term;
    const kind = entry.kind.charCodeAt(0);
    const hash = hashBytes(entry.payload, (termBefore * 31 + kind + entry.leaseTimeMs * 7) | 0);
    const known = this.entries.get(key);
    if (known === undefined) this.entries.set(key, hash);
    else check(known === hash, "log matching", () => `node${node} has another entry ${entry.term}/${entry.index}`);
  }
}
