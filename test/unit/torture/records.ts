import { judge } from "../../torture/judge.ts";
import type { Fields, HistoryRecord, OperationName, OperationRecord } from "../../torture/history.ts";

export type Changes = Partial<Omit<OperationRecord, "type" | "operation">>;

const MS = 1_000;

/** Numbers the records as a history does. */
export function historyOf(...records: readonly HistoryRecord[]): HistoryRecord[] {
  return records.map((record, i) => ({ ...record, n: i + 1 }));
}

/** The rules that the history breaks. */
export function broken(...records: readonly HistoryRecord[]): string[] {
  return [...new Set(judge(historyOf(...records)).map(({ rule }) => rule))];
}

/** An operation from `atMs` to 5 ms later that went well, unless `changes` says otherwise. */
export function operation(name: OperationName, atMs: number, input: Fields, output: Fields, changes: Changes = {}) {
  const failed = changes.outcome !== undefined && changes.outcome !== "ok";
  const answered = failed ? {} : { status: 200, output };
  const times = { from_us: atMs * MS, to_us: (atMs + 5) * MS };
  const { code } = changes;
  const refusal = failed && code !== undefined ? { output: { detail: code, error: { code, message: code } } } : {};
  const record: OperationRecord = {
    ...{ type: "operation", n: 0, client: "c1", node: "node1", operation: name, input, outcome: "ok" },
    ...times,
    ...answered,
    ...refusal,
    ...changes,
  };
  return record;
}

export interface Asked {
  readonly value?: string;
  readonly owner?: string;
  readonly session?: string;
  readonly lock?: string;
  readonly mode?: "exclusive" | "shared";
  /** In seconds. */
  readonly ttl?: number;
  readonly timeout?: number;
}

/** Of owner `a` for lock `x` with a TTL of 10 s. */
export function acquire(atMs: number, token: number, asked: Asked = {}, changes: Changes = {}): OperationRecord {
  const { lock = "x", mode = "exclusive", session, ttl = 10, timeout = 1 } = asked;
  const owner = session === undefined ? (asked.owner ?? "a") : undefined;
  const who = owner === undefined ? { session } : { owner, ttl };
  const output = {
    ...{ status: "acquired", lock_name: lock, lock_type: mode, fencing_token: token, expires_in_ms: ttl * 1_000 },
    ...{ owner: owner ?? `session-${session}`, session: session ?? `owner:${owner}`, leader: "node1", term: 1 },
  };
  const said = asked.value === undefined ? {} : { value: asked.value };
  const input = { lock_name: lock, lock_type: mode, timeout, ...who, ...said };
  return operation("locks.acquire", atMs, input, output, changes);
}

/** Of owner `a` for several locks with a TTL of 10 s. @param tokens by name; names that begin with `r` are to be read */
export function acquireAll(
  atMs: number,
  tokens: Readonly<Record<string, number>>,
  { owner = "a", ttl = 10, timeout = 1 }: Pick<Asked, "owner" | "ttl" | "timeout"> = {},
  changes: Changes = {},
): OperationRecord {
  const given = Object.entries(tokens).map(([lock_name, fencing_token]) => ({
    ...{ lock_name, lock_type: lock_name.startsWith("r") ? "shared" : "exclusive", fencing_token },
    expires_in_ms: ttl * 1_000,
  }));
  const locks = given.map(({ lock_name: name, lock_type }) => ({ name, lock_type }));
  const output = { status: "acquired", locks: given, owner, session: `owner:${owner}`, leader: "node1", term: 1 };
  return operation("locks.acquireAll", atMs, { locks, owner, ttl, timeout }, output, changes);
}

export function release(atMs: number, token: number | undefined, asked: Asked = {}, changes: Changes = {}) {
  const { lock = "x", session } = asked;
  const who = session === undefined ? { owner: asked.owner ?? "a" } : { session };
  const named = token === undefined ? {} : { fencing_token: token };
  const output = { status: "released", lock_name: lock, released_by: who.owner ?? "session-1", granted_to: null };
  return operation("locks.release", atMs, { lock_name: lock, ...who, ...named }, output, changes);
}

export function openSession(atMs: number, session: string, ttl: number, changes: Changes = {}) {
  return operation("sessions.open", atMs, { ttl }, { session, expires_in_ms: ttl * 1_000 }, changes);
}

export function renewSession(atMs: number, session: string, changes: Changes = {}) {
  return operation("sessions.renew", atMs, { session }, { session, expires_in_ms: 1_000 }, changes);
}

export function closeSession(atMs: number, session: string, changes: Changes = {}) {
  return operation(
    "sessions.close",
    atMs,
    { session },
    { status: "released", session, released: [], released_semaphores: [] },
    changes,
  );
}

export function offer(atMs: number, token: number, changes: Changes = {}) {
  return operation("fences.check", atMs, { resource: "r", token }, { accepted: true, highest: token }, changes);
}

/** A refusal of {@link offer}. */
export function highestIs(highest: number): Changes {
  const error = { code: "stale_token", message: "", details: { highest } };
  return { outcome: "error", status: 409, code: "stale_token", output: { detail: "", error } };
}

/** What a read of lock `x` shows. */
export function inspect(
  atMs: number,
  index: number,
  shown: {
    readonly lock?: string;
    readonly observing?: { readonly wait: number; readonly after: number };
    readonly owners?: readonly string[];
    readonly token?: number;
    readonly waiters?: readonly string[];
    readonly revision?: number;
    readonly value?: string;
  } = {},
) {
  const { lock = "x", observing = {}, owners = [], token, waiters = [], value } = shown;
  const revision = shown.revision ?? (owners.length === 0 ? 0 : (token ?? 1));
  const output = {
    ...{ lock_name: lock, status: owners.length === 0 ? "available" : "held", as_of_index: index },
    ...(owners.length === 0 ? {} : { type: "exclusive" }),
    ...{ owners, waiters: waiters.map((owner) => [owner, "exclusive"]), fencing_token: token ?? null },
    ...{ holders: [], queue: [], revision, ...(value === undefined ? {} : { value }) },
  };
  return operation("locks.inspect", atMs, { lock_name: lock, ...observing }, output);
}

/** One lock in a {@link list}. */
export function lockState(
  type: "exclusive" | "shared",
  owners: readonly string[],
  waiters: readonly (readonly [string, string])[] = [],
) {
  return { status: "held", type, owners, waiters, fencing_token: 1, holders: [], queue: [], revision: 1 };
}

export function list(atMs: number, index: number, locks: Fields) {
  const table = { locks, lock_table: locks, wait_for_graph: {}, as_of_index: index };
  const node = { node_id: "node1", raft_state: "leader", leader: "node1", current_leader: "node1", is_leader: true };
  return operation("locks.list", atMs, {}, { ...node, ...table });
}

export const unknown: Changes = { outcome: "unknown", code: "ECONNRESET" };

export function refused(code: string, status: number): Changes {
  return { outcome: "error", status, code };
}
