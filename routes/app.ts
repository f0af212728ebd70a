import { Hono, type MiddlewareHandler } from "hono";
import { ApiError } from "../src/api/errors.ts";
import type { ApplicationOptions } from "../src/server/application.ts";
import { backupRoutes } from "./backup.ts";
import { clusterRoutes } from "./cluster.ts";
import type { EndpointTools, HttpEnv } from "./endpoint.ts";
import { fenceRoutes } from "./fences.ts";
import { createGuard } from "./guard.ts";
import { routedPath, shownPattern } from "./input.ts";
import { lockRoutes } from "./locks.ts";
import { metricsRoutes } from "./metrics.ts";
import { nodeRoutes } from "./node.ts";
import { queueRoutes } from "./queues.ts";
import { refuse } from "./refusal.ts";
import { semaphoreRoutes } from "./semaphores.ts";
import { sessionRoutes } from "./sessions.ts";

/** The whole HTTP surface: `app.fetch(request, server)` answers a request. */
export function createApp(options: ApplicationOptions): Hono<HttpEnv> {
  const guard = createGuard(options.allowedHosts);
  const tools: EndpointTools = { run: options.run, guard, statistics: options.statistics, withoutHead: new Set() };
  const api = new Hono<HttpEnv>({ getPath: routedPath });
  nodeRoutes(api, tools);
  lockRoutes(api, tools);
  semaphoreRoutes(api, tools);
  sessionRoutes(api, tools);
  fenceRoutes(api, tools);
  queueRoutes(api, tools);
  clusterRoutes(api, tools);
  backupRoutes(api, tools, options.backups);
  metricsRoutes(api, tools, options.metrics);
  refuseOtherMethods(api, tools);

  const app = new Hono<HttpEnv>({ getPath: versionedPath });
  app.route("/", api);
  app.route("/v1", api);
  const unmatched = options.statistics.route("*", "(none)");
  app.notFound((c) => {
    unmatched.observe(404, 0);
    guard(c.req.raw);
    throw new ApiError("not_found", {
      message: "There is nothing at this path; a name is one segment of it, with / written as %2F.",
    });
  });
  app.onError((error, c) => {
    if (error instanceof ApiError) return refuse(c, error);
    options.onInternalError(error, `${c.req.method} ${c.req.routePath}`);
    return refuse(c, new ApiError("internal"));
  });
  return app;
}

/** Hono mounts `/` of the routes at `/v1`; who writes `/` after a version means the same. */
function versionedPath(request: Request): string {
  const path = routedPath(request);
  return path === "/v1/" ? "/v1" : path;
}

/** For every known path: 405 with `Allow` to the methods that it does not take (Hono answers HEAD through GET). */
function refuseOtherMethods(api: Hono<HttpEnv>, { guard, statistics, withoutHead }: EndpointTools): void {
  const methods = new Map<string, Set<string>>();
  for (const { path, method } of api.routes) {
    const known = methods.get(path) ?? new Set();
    known.add(method);
    if (method === "GET" && !withoutHead.has(path)) known.add("HEAD");
    methods.set(path, known);
  }
  for (const [path, known] of methods) {
    const allow = [...known].sort().join(", ");
    const route = statistics.route("*", shownPattern(path));
    const refuseMethod: MiddlewareHandler<HttpEnv> = async (c) => {
      route.observe(405, 0);
      guard(c.req.raw);
      throw new ApiError("method_not_allowed", { details: { allow } });
    };
    api.all(path, refuseMethod);
  }
}
