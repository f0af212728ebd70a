import type { GroupLog } from "../raft/storage.ts";
import type { Entry, GroupId } from "../raft/types.ts";
import type { LogRecord, WriteAheadLog } from "../wal/records.ts";

/** Says "durable" at once and writes when it can. */
export class EarlyLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;
  private waiting: LogRecord[] = [];
  private flushing = false;

  constructor(private readonly log: WriteAheadLog) {
    this.recovered = log.recovered;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.waiting.push(...records);
    this.pump();
    onDurable();
  }

  private pump(): void {
    if (this.flushing || this.waiting.length === 0) return;
    const records = this.waiting;
    this.waiting = [];
    this.flushing = true;
    this.log.flush(records, (error) => {
      this.flushing = error !== undefined;
      this.pump();
    });
  }
}

/** Does not read votes back. */
export class ForgetfulLog implements WriteAheadLog {
  readonly recovered: ReadonlyMap<GroupId, GroupLog>;

  constructor(private readonly log: WriteAheadLog) {
    const recovered = new Map<GroupId, GroupLog>();
    for (const [group, found] of log.recovered) {
      recovered.set(group, { ...found, hardState: { term: found.hardState.term, vote: 0 } });
    }
    this.recovered = recovered;
  }

  read(group: GroupId, from: number, to: number, maxBytes: number): Entry[] {
    return this.log.read(group, from, to, maxBytes);
  }

  flush(records: readonly LogRecord[], onDurable: (error?: Error) => void): void {
    this.log.flush(records, onDurable);
  }
}
