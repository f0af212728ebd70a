import type { z } from "zod";
import { errorCodes, type ErrorCode } from "../../../src/api/errors.ts";
import { checkFence } from "../../../src/api/fences.ts";
import { acquireLock, inspectLock, listLocks, releaseLock } from "../../../src/api/locks.ts";
import { acquireLocks } from "../../../src/api/multi-locks.ts";
import type { Operation } from "../../../src/api/operation.ts";
import { acquirePermits, inspectSemaphore, releasePermits } from "../../../src/api/semaphores.ts";
import { closeSession, listSessions, openSession, renewSession } from "../../../src/api/sessions.ts";
import type { OperationName, OperationRecord } from "../history.ts";
import { type Check, type Violation } from "./violation.ts";

const operations: Readonly<Record<OperationName, Operation<z.ZodType, z.ZodType>>> = {
  "locks.acquire": acquireLock,
  "locks.acquireAll": acquireLocks,
  "locks.release": releaseLock,
  "locks.inspect": inspectLock,
  "locks.list": listLocks,
  "sessions.open": openSession,
  "sessions.renew": renewSession,
  "sessions.close": closeSession,
  "sessions.list": listSessions,
  "fences.check": checkFence,
  "semaphores.acquire": acquirePermits,
  "semaphores.release": releasePermits,
  "semaphores.inspect": inspectSemaphore,
};
/** A node that is starting, or has too much to do. `bad_request` and `internal` would be faults of ours, or its. */
const always: readonly ErrorCode[] = ["limit", "not_ready"];

/** Every answer is one that the operation's definition names, with the status that goes with it. */
export const checkAnswers: Check = ({ records }) =>
  records.flatMap((record) => {
    const what = record.type === "operation" ? oddity(record) : undefined;
    return what === undefined ? [] : [{ rule: "answers are as documented", what, records: [record.n] } as Violation];
  });

function oddity({ operation: name, status, code, output }: OperationRecord): string | undefined {
  if (status === undefined) return undefined;
  const operation = operations[name];
  if (status === 200) {
    const parsed = operation.output.safeParse(output);
    return parsed.success ? undefined : `${name}: ${parsed.error.message}`;
  }
  const expected = [...operation.errors, ...always].filter((error) => errorCodes[error].status === status);
  return expected.some((error) => error === code) ? undefined : `${name} was answered ${status} ${code}`;
}
