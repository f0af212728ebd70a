import { unreachable } from "../../kernel/assert.ts";
import { encodeConfiguration } from "../../raft/configuration.ts";
import type { RaftLog } from "../../raft/log.ts";
import type { Raft } from "../../raft/raft.ts";
import type { GroupLog } from "../../raft/storage.ts";
import type { Configuration, Entry, Message, ReplicaId } from "../../raft/types.ts";
import type { LogRecord } from "../../wal/records.ts";
import { hashBytes } from "../hash-bytes.ts";
import { check } from "../violation.ts";
import type { AppendedEntries } from "./appended-entries.ts";
import { MembershipChecks } from "./membership-checks.ts";
import { DurableNode } from "./durable-state.ts";
import { LeaseOrigins } from "./lease-origins.ts";
import type { DurableSnapshots } from "./snapshot-checks.ts";
import { StandingConfigurations } from "./standing-configurations.ts";
import { ToldEntries } from "./told-entries.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** What Raft promises (Raft §5, figure 3), and what this implementation promises of its disk (PROTOCOLS D1, D2, R2). */
export class RaftChecks {
  /** By term. */
  private readonly leaders = new Map<number, ReplicaId>();
  /** Terms whose leader was looked at. */
  private readonly judged = new Set<number>();
  /** By node and term. */
  private readonly votes = new Map<number, ReplicaId>();
  /** Hash of the entry and of the term before it, by index and term. */
  private readonly entries = new Map<number, number>();
  /** Term of every entry that some node held to be committed, by index. */
  private readonly committedTerms: number[] = [0];
  /** The term in which that was, by index. */
  private readonly committedIn: number[] = [0];
  /** How far each process has been compared, by node. */
  private readonly compared: number[] = [];
  private readonly disks: DurableNode[] = [];
  private readonly snapshots: DurableSnapshots[] = [];
  /** What is being written, by node. */
  private readonly flushes: (readonly LogRecord[])[] = [];
  elections = 0;

  private readonly origins = new LeaseOrigins();
  private readonly told = new ToldEntries();

  readonly members: MembershipChecks;
  readonly standing: StandingConfigurations;

  /** @param mayReturn of a shard: who has left it, and belongs to the cluster still, comes back with all that it ever stored */
  constructor(
    first: Configuration,
    private readonly maxUncommittedBytes: number,
    private readonly appended: AppendedEntries,
    mayReturn: boolean,
  ) {
    this.members = new MembershipChecks(first);
    this.standing = new StandingConfigurations(first, mayReturn);
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
      for (const entry of record.entries) {
        this.appended.written(entry);
        this.members.appended(entry);
        this.standing.appended(entry);
      }
    }
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
        this.told.append(message);
        this.leads(from, term);
        this.origins.reached(term, message.leaseTimeMs);
        break;
      case "heartbeat":
      case "snapshotChunk":
        this.leads(from, term);
        if (message.type === "heartbeat") this.origins.reached(term, message.leaseTimeMs);
        break;
      case "appendReply":
        if (message.success) this.acknowledges(from, message.index, message.repairing === true);
        check(term >= disk.term, "D2 an answer to an earlier leader is void", () => {
          return `node${from} acknowledges ${message.index} in term ${term}, durable is ${disk.term}`;
        });
        this.told.acknowledged(message, disk.termAt(message.index));
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

  /** As far as its disk says. */
  isUnderRepair(node: ReplicaId): boolean {
    return this.disk(node).repairing;
  }

  private stands(node: ReplicaId): void {
    check(!this.disk(node).repairing, "D7 a node under repair does not stand", () => `node${node} asks for votes`);
  }

  /** A node's turn is over. */
  observe(node: ReplicaId, raft: Raft): void {
    this.members.observe(node, raft);
    const { log, leaseTime } = raft;
    // Also what it came to in the turn in which it was deposed, of which it told nobody.
    if (this.leaders.get(leaseTime.of) === node) this.origins.reached(leaseTime.of, leaseTime.nowMs);
    if (raft.role === "leader") {
      this.leads(node, raft.term);
      if (!this.judged.has(raft.term)) this.checkElected(node, raft);
      this.checkBound(node, raft);
    }
    check(this.isDurable(node, log.appliedIndex), "D3 what is applied is durable here", () => {
      return `node${node} has applied ${log.appliedIndex}, durable is ${this.disk(node).lastIndex}`;
    });
    const { index: compacted, term } = log.compacted;
    const compared = this.compared[node] ?? 0;
    check(log.commitIndex >= compared, "the commit index never falls", () => {
      return `node${node} had committed ${compared}, and now ${log.commitIndex}`;
    });
    if (compacted > compared) this.committed(node, raft, compacted, term);
    for (let index = Math.max(compared, compacted) + 1; index <= log.commitIndex; index++) {
      this.committed(node, raft, index, log.term(index) ?? 0);
    }
    this.compared[node] = log.commitIndex;
    this.members.turned(node, raft);
    this.standing.observe(node, raft);
  }

  private acknowledges(node: ReplicaId, index: number, repairing: boolean): void {
    check(repairing || !this.disk(node).repairing, "D7 a node under repair says so", () => {
      return `node${node} acknowledges ${index} as if it had lost nothing`;
    });
    check(this.isDurable(node, index), "D2 a reply covers what is durable", () => {
      const { lastIndex } = this.disk(node);
      const snapshot = this.snapshots[node]?.newestIndex ?? 0;
      return `node${node} acknowledges ${index}, durable are entries up to ${lastIndex} and a snapshot of ${snapshot}`;
    });
  }

  /** By entries, or a snapshot in their place. */
  private isDurable(node: ReplicaId, index: number): boolean {
    return index <= this.disk(node).lastIndex || index <= (this.snapshots[node]?.newestIndex ?? 0);
  }

  private disk(node: ReplicaId): DurableNode {
    return (this.disks[node] ??= new DurableNode(node));
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

  private leads(node: ReplicaId, term: number): void {
    const known = this.leaders.get(term);
    check(known === undefined || known === node, "election safety", () => {
      return `term ${term} has two leaders: node${known} and node${node}`;
    });
    if (known !== undefined) return;
    this.leaders.set(term, node);
    this.elections++;
  }

  private checkElected(node: ReplicaId, raft: Raft): void {
    this.judged.add(raft.term);
    // A lone voter leads before its vote is durable, and shows it only then.
    this.members.elected(node, raft, (voter) => voter === node || this.votes.get(voter * TERMS + raft.term) === node);
    this.checkComplete(node, raft);
    const { log, term } = raft;
    let first = log.lastIndex;
    while (first > 1 && log.term(first - 1) === term) first--;
    const [before, noop] = first > 1 ? [entryAt(log, first - 1), entryAt(log, first)] : [];
    if (noop?.kind !== "noop" || before === undefined) return;
    this.origins.opened(noop, before);
  }

  /** What this term has brought and is not committed stays in memory. */
  private checkBound(node: ReplicaId, { log, term }: Raft): void {
    let first = log.lastIndex + 1;
    while (first - 1 > log.commitIndex && log.term(first - 1) === term) first--;
    if (first > log.lastIndex) return;
    const { index, configuration } = log.configurations.current;
    // Of changes of the members there is one at a time, and it is not made to wait.
    const change = index >= first ? encodeConfiguration(configuration).length : 0;
    const bytes = log.payloadBytes(first, log.lastIndex) - change;
    check(bytes <= this.maxUncommittedBytes, "R9 what is not committed is bounded", () => {
      return `node${node} holds ${bytes} bytes that are not committed, ${this.maxUncommittedBytes} is the most`;
    });
  }

  /** What was committed in an earlier term. A candidate may win late, when the next term has its leader already. */
  private checkComplete(node: ReplicaId, raft: Raft): void {
    for (let index = Math.max(1, raft.log.compacted.index); index <= this.committedIndex; index++) {
      if ((this.committedIn[index] ?? 0) >= raft.term) continue;
      check(raft.log.term(index) === this.committedTerms[index], "leader completeness", () => {
        return `node${node} leads term ${raft.term} without entry ${this.committedTerms[index]}/${index}`;
      });
    }
  }

  private committed(node: ReplicaId, raft: Raft, index: number, term: number): void {
    const known = this.committedTerms[index];
    if (known !== undefined) {
      check(known === term, "committed entries never change", () => {
        return `node${node} commits ${term}/${index}, committed before was ${known}/${index}`;
      });
      return;
    }
    check(index === this.committedIndex + 1, "commitment has no gap", () => `node${node} commits ${index}`);
    const holds = (replica: ReplicaId): boolean => this.disk(replica).holds(index, term);
    check(this.members.isHeld(node, raft, holds), "D2 committed is durable on a majority", () => {
      const holders = this.disks.flatMap((_, replica) => (holds(replica) ? [replica] : []));
      return `node${node} commits ${term}/${index} that is on the disks of ${holders.join(", ")}; voters are ${raft.configuration.voters.join(", ")}`;
    });
    this.members.committedAt(index, term);
    this.standing.committedAt(index, term);
    this.committedTerms.push(term);
    this.committedIn.push(raft.term);
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

function entryAt(log: RaftLog, index: number): Entry | undefined {
  return index > log.compacted.index ? log.slice(index, index, 0)[0] : undefined;
}
