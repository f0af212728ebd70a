import type { clusterStatus } from "../../src/api/cluster.ts";
import type { ErrorBody } from "../../src/api/errors.ts";
import type { checkFence } from "../../src/api/fences.ts";
import type { acquireLock, inspectLock, listLocks, releaseLock } from "../../src/api/locks.ts";
import type { OperationOutput } from "../../src/api/operation.ts";
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

export interface AcquireFields extends Holder {
  readonly lock_type?: "exclusive" | "shared";
  readonly timeout?: number;
  readonly ttl?: number;
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
