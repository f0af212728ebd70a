import type { Fields, HistoryRecord, OperationName, OperationRecord } from "./history.ts";

/**
 * What a client wanted once: one request, or several with the same `Idempotency-Key`, which are carried out once. It took
 * effect, if it did, between `invokedUs` and `returnedUs`.
 */
export interface Request {
  readonly operation: OperationName;
  readonly input: Fields;
  readonly key: string | undefined;
  /** In the order in which they were sent. */
  readonly attempts: readonly OperationRecord[];
  /** When the first attempt was sent. */
  readonly invokedUs: number;
  /** When its end was known; infinite for an unknown outcome, which may take effect any time later. */
  readonly returnedUs: number;
  /** `unknown`: no attempt was ok, and at least one may have taken effect, or may yet. */
  readonly outcome: "ok" | "error" | "unknown";
  /** The attempt that the state machine answered first, if there is one. */
  readonly answer: OperationRecord | undefined;
  readonly output: Fields;
}

/**
 * Refusals by the state machine, which it remembers under a key. After any other definite end (`no_leader`, `disk_full`,
 * `limit`, `cancelled` …) nothing is remembered of a request: under the same key it is carried out anew.
 */
const decisions = new Set([
  "lock_held",
  "deadlock",
  "upgrade_conflict",
  "semaphore_limit",
  "permits_conflict",
  "session_expired",
  "not_owner",
  "not_held",
  "stale_token",
]);

/** True when the state machine has decided the request, and will tell every retry the same. */
export function isDecided({ outcome, code }: OperationRecord): boolean {
  return outcome === "ok" || (outcome === "error" && decisions.has(code ?? ""));
}

export function requestsOf(records: readonly HistoryRecord[]): Request[] {
  const operations = records.filter((record) => record.type === "operation");
  const byKey = Map.groupBy(operations, (record) => record.key ?? `#${record.n}`);
  return [...byKey.values()].map((attempts) => requestOf(attempts.toSorted((a, b) => a.from_us - b.from_us)));
}

function requestOf(attempts: readonly OperationRecord[]): Request {
  const [first] = attempts;
  if (first === undefined) throw new Error("a request has at least one attempt");
  const answer = attempts.find(({ outcome }) => outcome === "ok") ?? attempts.find(isDecided);
  const { operation, input, key, from_us: invokedUs } = first;
  const known = { operation, input, key, attempts, invokedUs, answer, output: answer?.output ?? {} };
  if (answer?.outcome === "ok") return { ...known, outcome: "ok", returnedUs: answer.to_us };
  const failed = attempts.every(({ outcome }) => outcome === "error");
  if (!failed) return { ...known, outcome: "unknown", returnedUs: Number.POSITIVE_INFINITY };
  return { ...known, outcome: "error", returnedUs: Math.max(...attempts.map((attempt) => attempt.to_us)) };
}
