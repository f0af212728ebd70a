import { readFileSync } from "node:fs";

/** Of the format that docs/testing.md describes. */
export const HISTORY_FORMAT = 1;

export type OperationName =
  | "locks.acquire"
  | "locks.acquireAll"
  | "locks.release"
  | "locks.inspect"
  | "locks.list"
  | "sessions.open"
  | "sessions.renew"
  | "sessions.close"
  | "sessions.list"
  | "fences.check"
  | "semaphores.acquire"
  | "semaphores.release"
  | "semaphores.inspect";

export type Fields = Readonly<Record<string, unknown>>;

/** One request to one node, from before it was sent until its end was known. Times in µs of one monotonic clock. */
export interface OperationRecord {
  readonly type: "operation";
  readonly n: number;
  readonly client: string;
  readonly node: string;
  readonly operation: OperationName;
  /** As sent, in wire names and seconds. */
  readonly input: Fields;
  /** The `Idempotency-Key`: requests with the same one are the same request. */
  readonly key?: string;
  readonly from_us: number;
  readonly to_us: number;
  /** `error`: it has not happened and never will. `unknown`: it may have, or may yet. */
  readonly outcome: "ok" | "error" | "unknown";
  readonly status?: number;
  /** Of the error, or of what happened to the connection. */
  readonly code?: string;
  /** The body of the reply, where there was one. */
  readonly output?: Fields;
}

/** Something that was done to the cluster. */
export interface FaultRecord {
  readonly type: "fault";
  readonly n: number;
  readonly fault: string;
  readonly nodes: readonly string[];
  readonly detail?: string;
  /** A step of the leader's monotonic clock: by so much leases may have ended early, and by no more. */
  readonly shortens_us?: number;
  /** Those that can be of no majority while it lasts; all of `nodes` where nothing is said. */
  readonly without?: readonly string[];
  /** One of the nodes after the other was down, never two. */
  readonly in_turn?: true;
  /** The members afterwards, where that has changed. */
  readonly members?: readonly string[];
  /** Those whose process may end by itself meanwhile: they are told to, or must not start. */
  readonly may_end?: readonly string[];
  /** Those that began anew, without the data that they had. */
  readonly renewed?: readonly string[];
  readonly from_us: number;
  readonly to_us: number;
}

/** What a node says of itself, whenever that changes. */
export interface ViewRecord {
  readonly type: "view";
  readonly n: number;
  readonly node: string;
  readonly role: string;
  readonly term: number;
  readonly leader: string | null;
  readonly from_us: number;
  readonly to_us: number;
}

/** A process of a node ended, and nobody had asked it to. */
export interface ExitRecord {
  readonly type: "exit";
  readonly n: number;
  readonly node: string;
  readonly code: number | null;
  /** Its last line. */
  readonly said?: string;
  readonly at_us: number;
}

/** Something that must be so by a deadline once every fault is over: a leader, a ready node, no leftovers. */
export interface RecoveryRecord {
  readonly type: "recovery";
  readonly n: number;
  readonly what: string;
  readonly done: boolean;
  readonly from_us: number;
  readonly to_us: number;
}

/** What a node's own copy held at the end. */
export interface ReplicaRecord {
  readonly type: "replica";
  readonly n: number;
  readonly node: string;
  readonly as_of_index: number;
  /** `locks` of `GET /locks` and `sessions` of `GET /sessions`, without what depends on the moment. */
  readonly locks: Fields;
  readonly sessions: readonly unknown[];
  /** `GET /semaphore/:name` of every semaphore of the run, likewise. */
  readonly semaphores?: Fields;
}

/** What all nodes together have counted, by the names of their metrics. */
export interface CountersRecord {
  readonly type: "counters";
  readonly n: number;
  readonly totals: Readonly<Record<string, number>>;
}

/** The first line. */
export interface RunRecord {
  readonly type: "run";
  readonly n: number;
  readonly format: number;
  readonly seed: number;
  readonly nodes: readonly string[];
  readonly clients: number;
  readonly faults: readonly string[];
  readonly network: string;
  readonly program: string;
  readonly version: string;
  readonly started_at: string;
  /** Clocks of nodes run within this of real time; nothing where they were left alone. */
  readonly max_drift?: number;
}

/** The last line: without it the history breaks off, and what it lacks may have happened. */
export interface EndRecord {
  readonly type: "end";
  readonly n: number;
  /** When the last fault was over. */
  readonly healed_us: number;
  readonly at_us: number;
}

export type HistoryRecord =
  | OperationRecord
  | FaultRecord
  | ViewRecord
  | ExitRecord
  | RecoveryRecord
  | ReplicaRecord
  | CountersRecord
  | RunRecord
  | EndRecord;

/** A record before it has its number. */
type Unnumbered<R> = R extends HistoryRecord ? Omit<R, "n"> : never;

/** Takes records in as they end, keeps them, and writes each as a line of JSON. */
export class History {
  readonly records: HistoryRecord[] = [];
  private readonly startMs = performance.now();
  private readonly file: ReturnType<ReturnType<typeof Bun.file>["writer"]>;

  constructor(readonly path: string) {
    this.file = Bun.file(path).writer({ highWaterMark: 1 << 16 });
  }

  /** Since the run began, in µs. */
  nowUs(): number {
    return Math.round((performance.now() - this.startMs) * 1_000);
  }

  add<R extends HistoryRecord>(unnumbered: Unnumbered<R>): R {
    // Sound: R is its unnumbered form and a number.
    const record = { n: this.records.length + 1, ...unnumbered } as unknown as R;
    this.records.push(record);
    void this.file.write(`${JSON.stringify(record)}\n`);
    return record;
  }

  async close(): Promise<void> {
    await this.file.end();
  }
}

/** @throws for a line that is not JSON, or a history of another format */
export function readHistory(path: string): HistoryRecord[] {
  const lines = readFileSync(path, "utf8").split("\n");
  const records = lines.filter((line) => line !== "").map((line) => JSON.parse(line) as HistoryRecord);
  const [first] = records;
  if (first?.type !== "run" || first.format !== HISTORY_FORMAT) {
    throw new Error(`${path} is no history of format ${HISTORY_FORMAT}`);
  }
  return records;
}
