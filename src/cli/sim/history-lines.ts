import { ApiError, errorCodes } from "../../api/errors.ts";
import { unreachable } from "../../kernel/assert.ts";
import { lockError, permitError } from "../../server/operations/lock-errors.ts";
import * as outputs from "../../server/operations/outputs.ts";
import { version } from "../../server/version.ts";
import type { AttemptEnd, AttemptRecord, ClientRecord, ReadRecord, SimHistory } from "../../sim/client-records.ts";

/** Of docs/testing.md, "The history". */
const FORMAT = 1;
/** In virtual time: when it was is no matter, and the same seed writes the same. */
const STARTED_AT = new Date(0).toISOString();
/** Clients are not told who leads. */
const NOBODY = { leader: undefined, term: 0 };
/** What the ids of requests in nobody's name begin with, in the API. */
const ONCE = "once_";

type Fields = Readonly<Record<string, unknown>>;
type Command = AttemptRecord["command"];
type Result = Extract<AttemptEnd, { type: "answered" }>["result"];
type Acquire = Extract<Command, { type: "acquire" }>;
type Release = Extract<Command, { type: "release" }>;

/** What clients of a simulated cluster asked and were told, as the lines of a history of `npm run torture`. */
export function historyLines(history: SimHistory, seed: number): string[] {
  const { nodes, clients, faults, clockSkew, shortensMs, healedMs, endMs } = history;
  const struck = Object.entries(faults).filter(([, count]) => count > 0);
  const kinds = struck.map(([kind]) => kind);
  const known = { format: FORMAT, seed, nodes, clients, faults: kinds, network: "simulated", program: "simulation" };
  const everything = {
    ...{ type: "fault", fault: "simulated", nodes, without: [], from_us: 0, to_us: us(healedMs ?? endMs) },
    ...{ detail: struck.map(([kind, count]) => `${count} ${kind}`).join(", "), shortens_us: us(shortensMs) },
  };
  const lines: Fields[] = [
    { type: "run", ...known, version, started_at: STARTED_AT, max_drift: clockSkew },
    everything,
    ...history.records.map(operationOf),
  ];
  if (healedMs !== undefined) lines.push({ type: "end", healed_us: us(healedMs), at_us: us(endMs) });
  return lines.map((line, i) => JSON.stringify({ n: i + 1, ...line }));
}

function operationOf(record: ClientRecord): Fields {
  const { client, node, fromMs, toMs } = record;
  const asked = { type: "operation", client: `client-${client}`, node };
  const times = { from_us: us(fromMs), to_us: us(toMs) };
  if (record.type === "read") return { ...asked, ...readOf(record), ...times, outcome: "ok", status: 200 };
  const { idempotencyKey: key } = record;
  const keyed = key === undefined ? {} : { key };
  return { ...asked, ...requestOf(record.command), ...keyed, ...times, ...endOf(record, record.end) };
}

function readOf({ view, leaseTimeMs, index }: ReadRecord): Fields {
  if ("semaphore" in view) {
    const input = { semaphore: view.semaphore };
    return { operation: "semaphores.inspect", input, output: outputs.semaphoreOutput(view, leaseTimeMs, index) };
  }
  const input = { lock_name: view.lock };
  return { operation: "locks.inspect", input, output: outputs.lockOutput(view, leaseTimeMs, index) };
}

function requestOf(command: Command): { readonly operation: string; readonly input: Fields } {
  switch (command.type) {
    case "acquire": {
      const { lock, mode, value } = command;
      const said = value === undefined ? {} : { value };
      return { operation: "locks.acquire", input: { lock_name: lock, lock_type: mode, ...claimOf(command), ...said } };
    }
    case "acquireAll": {
      const locks = command.locks.map(({ lock: name, mode }) => ({ name, lock_type: mode }));
      return { operation: "locks.acquireAll", input: { locks, ...claimOf(command) } };
    }
    case "acquirePermits": {
      const { semaphore, permits, limit } = command;
      return { operation: "semaphores.acquire", input: { semaphore, permits, limit, ...claimOf(command) } };
    }
    case "release":
      return { operation: "locks.release", input: { lock_name: command.lock, ...meantBy(command) } };
    case "releasePermits":
      return { operation: "semaphores.release", input: { semaphore: command.semaphore, ...meantBy(command) } };
    case "openSession":
      return { operation: "sessions.open", input: { session: command.session, ttl: seconds(command.ttlMs) } };
    case "keepalive":
      return { operation: "sessions.renew", input: { session: command.sessions[0] } };
    case "closeSession":
      return { operation: "sessions.close", input: { session: command.session } };
    case "fence":
      return { operation: "fences.check", input: { resource: command.resource, token: command.token } };
    case "registerIngress":
    case "cancel":
      // Nodes ask for these, no client does.
      return { operation: command.type, input: {} };
    default:
      return unreachable(command);
  }
}

function claimOf({ principal, ttlMs, waitMs }: Pick<Acquire, "principal" | "ttlMs" | "waitMs">): Fields {
  const timeout = seconds(waitMs);
  if (principal.kind === "session") return { session: principal.id, timeout };
  const ttl = seconds(ttlMs);
  return principal.kind === "owner" ? { owner: principal.name, ttl, timeout } : { ttl, timeout };
}

function meantBy({ holder, fencingToken }: Pick<Release, "holder" | "fencingToken">): Fields {
  const named = fencingToken === undefined ? {} : { fencing_token: fencingToken };
  switch (holder.kind) {
    case "owner":
      return { owner: holder.name, ...named };
    case "session":
      return { session: holder.id, ...named };
    case "once":
    case "onceId":
      return { session: ONCE + holder.id, ...named };
    case "anonymous":
      // Of a hold that was taken through that node, whichever is asked.
      return { node: holder.node, ...named };
    default:
      return unreachable(holder);
  }
}

function endOf({ command }: AttemptRecord, end: AttemptEnd): Fields {
  switch (end.type) {
    case "answered": {
      const { result } = end;
      if (result.type === "error") return failure(errorOf(command, result));
      if (result.type === "keptAlive" && result.expiresInMs[0] === undefined) {
        return failure(new ApiError("session_expired"));
      }
      return { outcome: "ok", status: 200, output: outputOf(command, result) };
    }
    case "failed":
      return failure(new ApiError(end.failure));
    case "refused":
      return { outcome: "error", code: "ECONNREFUSED" };
    case "cut":
      return { outcome: "unknown", code: "ECONNRESET" };
    case "gone":
      return { outcome: "unknown", code: "TimeoutError" };
    default:
      return unreachable(end);
  }
}

function failure(error: ApiError): Fields {
  const { status, outcome } = errorCodes[error.code];
  return {
    ...{ outcome: outcome === "definite" ? "error" : "unknown", status, code: error.code },
    output: error.body(),
  };
}

function errorOf(command: Command, error: Extract<Result, { type: "error" }>): ApiError {
  const ofPermits = command.type === "acquirePermits" || command.type === "releasePermits";
  return ofPermits ? permitError(error) : lockError(error);
}

/** Of a success, which is of the command's kind. */
function outputOf(command: Command, result: Exclude<Result, { type: "error" }>): unknown {
  const named = "principal" in command ? (id: string) => idOf(command.principal, id) : (id: string) => id;
  switch (result.type) {
    case "granted":
      return outputs.grantOutput({ ...result, principalId: named(result.principalId) }, NOBODY);
    case "grantedAll": {
      const grants = result.grants.map((grant) => ({ ...grant, principalId: named(grant.principalId) }));
      return outputs.grantsOutput({ ...result, grants }, NOBODY);
    }
    case "permitsGranted":
      return outputs.permitsOutput({ ...result, principalId: named(result.principalId) }, NOBODY);
    case "released":
      return outputs.releasedOutput(result);
    case "permitsReleased":
      return outputs.permitsReleasedOutput(result);
    case "sessionOpened":
      return { session: result.session, expires_in_ms: result.expiresInMs };
    case "keptAlive": {
      const session = command.type === "keepalive" ? command.sessions[0] : "";
      return { session, expires_in_ms: result.expiresInMs[0] };
    }
    case "sessionClosed":
      return outputs.sessionClosedOutput(command.type === "closeSession" ? command.session : "", result);
    case "fenceAccepted":
      return { accepted: true, highest: result.highest };
    case "registered":
    case "cancelled":
      return {};
    default:
      return unreachable(result);
  }
}

function idOf({ kind }: Acquire["principal"], id: string): string {
  return kind === "once" ? ONCE + id : id;
}

function seconds(ms: number): number {
  return ms / 1_000;
}

function us(ms: number): number {
  return Math.round(ms * 1_000);
}
