import type { clusterStatus } from "../../src/api/cluster.ts";
import type { ErrorBody } from "../../src/api/errors.ts";
import type { checkFence } from "../../src/api/fences.ts";
import type { acquireLock, inspectLock, listLocks, releaseLock } from "../../src/api/locks.ts";
import type { acquireLocks } from "../../src/api/multi-locks.ts";
import type { OperationOutput } from "../../src/api/operation.ts";
import type { acquirePermits, inspectSemaphore, releasePermits } from "../../src/api/semaphores.ts";
import type { closeSession, openSession } from "../../src/api/sessions.ts";

/** A reply of either kind: look at `status` first. */
export interface Reply<Body> {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Body & ErrorBody;
}

export interface CallOptions {
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface Holder {
  readonly owner?: string;
  readonly session?: string;
}

export interface ClaimFields extends Holder {
  readonly timeout?: number;
  readonly ttl?: number;
}

export interface AcquireFields extends ClaimFields {
  readonly lock_type?: "exclusive" | "shared";
  readonly value?: string;
}

export interface PermitFields extends ClaimFields {
  readonly limit: number;
  readonly permits?: number;
}

export interface ObserveFields {
  readonly wait?: number;
  readonly after?: number;
  readonly consistency?: "linearizable" | "local";
}

export interface WantedLock {
  readonly name: string;
  readonly lock_type?: "exclusive" | "shared";
}

const DEFAULT_TIMEOUT_MS = 30_000;

/** One HTTP request on a connection of its own: nodes die in these tests, and a pooled connection would die with them. */
export async function call<Body = unknown>(
  method: string,
  url: string,
  { body, headers = {}, signal, timeoutMs = DEFAULT_TIMEOUT_MS }: CallOptions = {},
): Promise<Reply<Body>> {
  const timeout = AbortSignal.timeout(timeoutMs);
  const response = await fetch(url, {
    method,
    headers,
    keepalive: false,
    signal: signal === undefined ? timeout : AbortSignal.any([signal, timeout]),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  const parsed: unknown = text === "" ? undefined : JSON.parse(text);
  return { status: response.status, headers: response.headers, body: parsed as Body & ErrorBody };
}

/** The requests of these tests to one node. Nothing is repeated and no status is an error. */
export class NodeClient {
  constructor(readonly url: string) {}

  acquire(lock: string, fields: AcquireFields = {}, options?: CallOptions) {
    return this.call<OperationOutput<typeof acquireLock>>("POST", `/lock/${segment(lock)}${query(fields)}`, options);
  }

  release(lock: string, fields: Holder & { readonly fencing_token?: number }, options?: CallOptions) {
    return this.call<OperationOutput<typeof releaseLock>>("DELETE", `/lock/${segment(lock)}${query(fields)}`, options);
  }

  inspect(lock: string, options?: CallOptions) {
    return this.call<OperationOutput<typeof inspectLock>>("GET", `/lock/${segment(lock)}`, options);
  }

  observe(lock: string, fields: ObserveFields, options?: CallOptions) {
    return this.call<OperationOutput<typeof inspectLock>>("GET", `/lock/${segment(lock)}${query(fields)}`, options);
  }

  /** Names alone are exclusive locks. */
  acquireAll(locks: readonly (string | WantedLock)[], fields: ClaimFields = {}, options?: CallOptions) {
    const wanted = locks.map((lock) => (typeof lock === "string" ? { name: lock } : lock));
    const body = { locks: wanted, ...fields };
    return this.call<OperationOutput<typeof acquireLocks>>("POST", "/locks", { ...options, body });
  }

  acquirePermits(semaphore: string, fields: PermitFields, options?: CallOptions) {
    const path = `/semaphore/${segment(semaphore)}${query(fields)}`;
    return this.call<OperationOutput<typeof acquirePermits>>("POST", path, options);
  }

  releasePermits(semaphore: string, fields: Holder & { readonly fencing_token?: number }, options?: CallOptions) {
    const path = `/semaphore/${segment(semaphore)}${query(fields)}`;
    return this.call<OperationOutput<typeof releasePermits>>("DELETE", path, options);
  }

  semaphore(name: string, options?: CallOptions) {
    return this.call<OperationOutput<typeof inspectSemaphore>>("GET", `/semaphore/${segment(name)}`, options);
  }

  locks(options?: CallOptions) {
    return this.call<OperationOutput<typeof listLocks>>("GET", "/locks", options);
  }

  cluster(options?: CallOptions) {
    return this.call<OperationOutput<typeof clusterStatus>>("GET", "/cluster", options);
  }

  openSession(ttl: number) {
    return this.call<OperationOutput<typeof openSession>>("POST", `/session?ttl=${ttl}`);
  }

  keepalive(session: string) {
    return this.call<OperationOutput<typeof openSession>>("PUT", `/session/${segment(session)}`);
  }

  closeSession(session: string) {
    return this.call<OperationOutput<typeof closeSession>>("DELETE", `/session/${segment(session)}`);
  }

  fence(resource: string, token: number, options?: CallOptions) {
    const path = `/fence/${segment(resource)}`;
    return this.call<OperationOutput<typeof checkFence>>("POST", path, { ...options, body: { token } });
  }

  call<Body>(method: string, path: string, options?: CallOptions): Promise<Reply<Body>> {
    return call<Body>(method, `${this.url}${path}`, options);
  }
}

/** The body of a success. @throws for any other reply, with what it said */
export function success<Body>(reply: Reply<Body>): Body {
  if (reply.status === 200) return reply.body;
  throw new Error(`${reply.status} instead of 200: ${JSON.stringify(reply.body)}`);
}

export function segment(name: string): string {
  return encodeURIComponent(name);
}

export function query(fields: object): string {
  const pairs = Object.entries(fields).filter(([, value]) => value !== undefined);
  return pairs.length === 0 ? "" : `?${new URLSearchParams(pairs.map(([name, value]) => [name, String(value)]))}`;
}
