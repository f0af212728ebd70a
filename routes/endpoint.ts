import { zValidator } from "@hono/zod-validator";
import type { Context, Env, Hono, MiddlewareHandler } from "hono";
import type { z } from "zod";
import { ApiError } from "../src/api/errors.ts";
import { printJson } from "../src/api/json-text.ts";
import type { Operation, OperationInput } from "../src/api/operation.ts";
import { assert } from "../src/kernel/assert.ts";
import { limits } from "../src/kernel/limits.ts";
import { utf8Length } from "../src/kernel/utf8.ts";
import type { HttpStatistics, RouteStatistics } from "../src/server/http-statistics.ts";
import type { Run, RunContext } from "../src/server/run.ts";
import type { Guard } from "./guard.ts";
import {
  hasBody,
  type KeptJson,
  type RawInput,
  readBody,
  readQuery,
  readSegment,
  readTail,
  refuseInQuery,
  shownPattern,
} from "./input.ts";

/** What the server around the application lends to each request; `Bun.serve`'s second argument fits as it is. */
export interface HttpEnv extends Env {
  Bindings: {
    /** Lets a request be silent for so long before its connection is cut. */
    timeout?(request: Request, seconds: number): void;
  };
}

export interface EndpointTools {
  readonly run: Run;
  readonly guard: Guard;
  readonly statistics: HttpStatistics;
  /** Patterns whose GET has effects: Hono answers HEAD through GET, and these refuse it. */
  readonly withoutHead: Set<string>;
}

/** What HTTP adds to an operation. */
export interface EndpointOptions<O extends Operation> extends DoorOptions {
  /** Fields that stand in the path, in the order of the pattern's parameters; one alone needs no list. */
  readonly segment?: Field<O> | readonly Field<O>[];
  /** How long the reply may take because the client asked to wait, in ms. */
  readonly waitMs?: (input: OperationInput<O>) => number;
  /** The reply holds `JsonText`, which goes out as it is. */
  readonly keepsJson?: boolean;
}

type Field<O extends Operation> = keyof OperationInput<O> & string;

interface DoorOptions {
  readonly segment?: string | readonly string[];
  /** Of keepalive and release: is served from the reserve when everything else is refused for load (PROTOCOLS R9). */
  readonly reserved?: boolean;
  /** JSON in the body that is kept as it came. */
  readonly body?: KeptJson;
  /** A field that may stand behind the path that the router sees: see `routedPath`. */
  readonly tail?: string;
  /** A GET with effects: HEAD is refused, which would take what nobody sees. */
  readonly withoutHead?: boolean;
}

const NO_STORE = { "Cache-Control": "no-store" };
const JSON_TYPE = { "Content-Type": "application/json" };
/** Beyond the wait itself: forwarding, an election and the client's own reading. */
const SLACK_SECONDS = 15;
const UNRESERVED_REQUESTS = limits.maxPendingRequests * 0.9;

/** Serves an operation at a route: parse, run, reply. */
export function serve<O extends Operation>(
  api: Hono<HttpEnv>,
  tools: EndpointTools,
  method: "GET" | "POST" | "PUT" | "DELETE",
  pattern: string,
  operation: O,
  options: EndpointOptions<O> = {},
): void {
  const { waitMs } = options;
  const replyHeaders = method === "GET" ? NO_STORE : undefined;
  const respond = async (c: Context<HttpEnv>): Promise<Response> => {
    // Sound: the validator before it has put there what this operation's schema gave.
    const input = c.req.valid("param" as never) as OperationInput<O>;
    const wait = waitMs?.(input) ?? 0;
    if (wait > 0) c.env?.timeout?.(c.req.raw, Math.ceil(wait / 1000) + SLACK_SECONDS);
    const output = await tools.run(operation, input, new HttpContext(c.req.raw));
    if (options.keepsJson !== true) return c.json(output, 200, replyHeaders);
    return c.body(printJson(output) as Uint8Array<ArrayBuffer>, 200, { ...JSON_TYPE, ...replyHeaders });
  };
  const handlers = [...validated(tools, operation.input, method, pattern, options), respond] as const;
  api.on(method, pattern, ...handlers);
  // An empty name is a name that is too short, not a path that is unknown.
  if (/\/:\w+$/.test(pattern)) api.on(method, pattern.slice(0, pattern.lastIndexOf("/") + 1), ...handlers);
}

/** What stands before a route's own handler, which finds its input in `c.req.valid("param")`. */
export function validated(
  { guard, statistics, withoutHead }: EndpointTools,
  schema: z.ZodType,
  method: string,
  pattern: string,
  options: DoorOptions = {},
): [MiddlewareHandler<HttpEnv>, MiddlewareHandler<HttpEnv>] {
  const route = statistics.route(method, shownPattern(pattern));
  const takesBody = method !== "GET";
  const maxInFlight = options.reserved === true ? limits.maxPendingRequests : UNRESERVED_REQUESTS;
  const segments = segmentsOf(pattern, options.segment);
  const { tail } = options;
  const refusesHead = options.withoutHead === true;
  if (refusesHead) withoutHead.add(pattern);

  const door: MiddlewareHandler<HttpEnv> = async (c, next) => {
    const startMs = performance.now();
    statistics.inFlight++;
    try {
      const request = c.req.raw;
      guard(request);
      if (refusesHead && request.method === "HEAD") {
        throw new ApiError("method_not_allowed", { details: { allow: method } });
      }
      if (statistics.inFlight > maxInFlight) throw new ApiError("limit", { details: { limit: "maxPendingRequests" } });
      const input: RawInput = {};
      for (const { field, fromEnd } of segments) readSegment(input, field, c.req.path, fromEnd);
      if (tail !== undefined) readTail(input, tail, request, c.req.path);
      readQuery(input, request.url);
      if (options.body !== undefined) refuseInQuery(input, options.body);
      if (takesBody && hasBody(request)) await readBody(input, request, options.body);
      // The validator takes one source; this makes path, query and body one, so that one schema covers them all.
      c.req.param = () => input as never;
      await next();
      route.observe(countedStatus(c.res.status, request), performance.now() - startMs);
    } catch (error) {
      // What fails behind `next` is a reply already; this is what failed here.
      observeFailure(route, error, startMs);
      throw error;
    } finally {
      statistics.inFlight--;
    }
  };
  const validate = zValidator(
    "param",
    schema,
    (result) => {
      if (!result.success) throw invalidInput(result.error.issues);
    },
    { validationFunction: (definition, value) => definition.safeParse(value) },
  );
  return [door, validate as MiddlewareHandler<HttpEnv>];
}

/** Where the fields of a path stand in it. Counted from its end: `/v1` may stand before it. */
function segmentsOf(pattern: string, fields: string | readonly string[] = []) {
  const segments = pattern.split("/");
  const places = segments.flatMap((segment, place) => (segment.startsWith(":") ? [segments.length - 1 - place] : []));
  return [fields].flat().map((field, index) => {
    const fromEnd = places[index];
    assert(fromEnd !== undefined, `${pattern} has no place for ${field}`);
    return { field, fromEnd };
  });
}

/** As nginx counts it: the client went away before there was an answer. */
const CLIENT_CLOSED_REQUEST = 499;

/** A client that stopped waiting is no time-out of ours. Its signal is looked at only then: making it costs. */
function countedStatus(status: number, request: Request): number {
  return status === 504 && request.signal.aborted ? CLIENT_CLOSED_REQUEST : status;
}

function observeFailure(route: RouteStatistics, error: unknown, startMs: number): void {
  route.observe(error instanceof ApiError ? error.status : 500, performance.now() - startMs);
}

/** Reads headers and makes an abort signal only for the operations that ask for them. */
class HttpContext implements RunContext {
  constructor(private readonly request: Request) {}

  get idempotencyKey(): string | undefined {
    const key = this.request.headers.get("idempotency-key");
    if (key === null) return undefined;
    if (key.length > 0 && utf8Length(key) <= limits.maxIdempotencyKeyBytes) return key;
    const message = `Idempotency-Key: must be 1 to ${limits.maxIdempotencyKeyBytes} bytes`;
    throw new ApiError("bad_request", { message, details: { header: "Idempotency-Key" } });
  }

  get signal(): AbortSignal {
    return this.request.signal;
  }
}

/** All that is wrong with the fields, by name. */
function invalidInput(issues: readonly z.core.$ZodIssue[]): ApiError {
  const fields = issues.flatMap((issue) =>
    issue.code === "unrecognized_keys"
      ? issue.keys.map((key) => ({ field: [...issue.path, key.slice(0, 64)].join("."), message: "unknown field" }))
      : [{ field: issue.path.join("."), message: issue.message }],
  );
  const shown = fields.slice(0, 10);
  return new ApiError("bad_request", {
    message: shown.map(({ field, message }) => `${field}: ${message}`).join("; "),
    details: { fields: shown },
  });
}
