import type { HostPort } from "../kernel/addresses.ts";
import type { Server } from "bun";
import { ApiError } from "../api/errors.ts";
import { limits } from "../kernel/limits.ts";
import { StartError } from "../kernel/start-error.ts";

export interface HttpServer {
  /** The real port where 0 was asked for. */
  readonly address: HostPort;
  /** Refuses new work, gives the requests at hand `graceMs` to end, then closes every connection. Safe to call twice. */
  stop(graceMs: number): Promise<void>;
}

/** What answers requests: `fetch` of an application; `server.timeout` lets a request be silent for longer. */
export type Fetch = (request: Request, server: Server<undefined>) => Response | Promise<Response>;

/** Waiting requests ask for more by `server.timeout`; a client that sends slowly gets no more than this. */
const IDLE_TIMEOUT_SECONDS = 20;
/** Above our own limit, so that what is a little too large gets the typed error; the rest is cut off unread. */
const HARD_BODY_LIMIT_BYTES = 16 * limits.maxBodyBytes;
const DRAIN_POLL_MS = 5;
/**
 * The port is closed when nobody has come for so long: whoever was turned away asks another node from then on. Closed
 * under a request that is on its way, that would be cut off, and its client could not know that nothing has happened.
 */
const QUIET_MS = 50;
/** But clients that never learn do not keep a node from stopping. */
const LINGER_MS = 500;

/**
 * Listens for clients.
 *
 * @throws {StartError} when the address cannot be listened on
 */
export function startHttpServer(listen: HostPort, fetch: Fetch, onInternalError: (error: unknown) => void): HttpServer {
  let stopped: Promise<void> | undefined;
  let lastRequestMs = Number.NEGATIVE_INFINITY;
  const answer: Fetch = (request, self) => {
    lastRequestMs = performance.now();
    return stopped === undefined ? fetch(request, self) : stopping();
  };
  const server = serve(listen, answer, onInternalError);
  const isQuiet = (): boolean => performance.now() - lastRequestMs >= QUIET_MS;
  return {
    address: { host: listen.host, port: server.port ?? listen.port },
    stop: (graceMs) => (stopped ??= drain(server, graceMs, isQuiet)),
  };
}

function serve(listen: HostPort, fetch: Fetch, onInternalError: (error: unknown) => void): Server<undefined> {
  try {
    return Bun.serve({
      hostname: listen.host,
      port: listen.port,
      idleTimeout: IDLE_TIMEOUT_SECONDS,
      maxRequestBodySize: HARD_BODY_LIMIT_BYTES,
      development: false,
      // Bun's default with `development: false` is true: a second node on a taken port would start, and share its requests.
      reusePort: false,
      fetch,
      error: (error) => {
        onInternalError(error);
        return errorResponse(new ApiError("internal"));
      },
    });
  } catch (error) {
    throw startError(listen, error);
  }
}

function startError({ host, port }: HostPort, error: unknown): StartError {
  const address = host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  switch (code) {
    case "EADDRINUSE":
      return new StartError(
        `The address ${address} is in use by another process: choose another one with --listen HOST:PORT.`,
      );
    case "EACCES":
      return new StartError(
        `There is no permission to listen on ${address}: choose a port above 1023 with --listen HOST:PORT.`,
      );
    default:
      return new StartError(
        `It is not possible to listen on ${address} (${code || "unknown error"}): choose another one with --listen HOST:PORT.`,
      );
  }
}

async function drain(server: Server<undefined>, graceMs: number, isQuiet: () => boolean): Promise<void> {
  const startMs = performance.now();
  const deadlineMs = startMs + graceMs;
  const lingerMs = startMs + Math.min(LINGER_MS, graceMs);
  // The port stays open meanwhile, and whoever comes is refused with a reply: `stop(false)` would cut connections
  // without one, and a client whose connection is cut cannot know that nothing has happened.
  while (server.pendingRequests > 0 && performance.now() < deadlineMs) await Bun.sleep(DRAIN_POLL_MS);
  while (!isQuiet() && performance.now() < lingerMs) await Bun.sleep(DRAIN_POLL_MS);
  await server.stop(true);
}

/** Definite: nothing was begun. */
function stopping(): Response {
  const error = new ApiError("no_leader", {
    message: "This node is stopping: ask another one.",
    details: { reason: "stopping" },
  });
  const response = errorResponse(error);
  response.headers.set("Connection", "close");
  response.headers.set("Retry-After", "1");
  return response;
}

function errorResponse(error: ApiError): Response {
  return Response.json(error.body(), { status: error.status });
}
