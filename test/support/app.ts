import { createApp } from "../../routes/app.ts";
import type { ErrorBody } from "../../src/api/errors.ts";
import { ApiError } from "../../src/api/errors.ts";
import type { QueueBackend } from "../../src/engine/queue-backend.ts";
import type { ApplicationOptions } from "../../src/server/application.ts";
import type { ControlGroup } from "../../src/server/control-group.ts";
import { HttpStatistics } from "../../src/server/http-statistics.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { randomId } from "../../src/server/random-id.ts";
import { createRun } from "../../src/server/run.ts";
import { emptyStatistics } from "./scripted-control-group.ts";

const NO_BACKUPS = { open: () => Promise.reject(new ApiError("backup_failed")) };

/** The HTTP surface over a group, and what it found unexpected. */
export function appOver(
  group: ControlGroup,
  backups: ApplicationOptions["backups"] = NO_BACKUPS,
  queues?: QueueBackend,
) {
  const http = new HttpStatistics();
  const internalErrors: unknown[] = [];
  const app = createApp({
    run: createRun({ group, queues, randomId }),
    metrics: new Metrics({ group, statistics: () => emptyStatistics, http }),
    statistics: http,
    backups,
    allowedHosts: ["node1.example"],
    onInternalError: (error) => internalErrors.push(error),
  });
  return { app, http, internalErrors };
}

/** One request to the HTTP surface over the group. */
export async function ask(group: ControlGroup, method: string, path: string, init: RequestInit = {}) {
  const response = await appOver(group).app.request(path, { method, ...init });
  return {
    status: response.status,
    headers: response.headers,
    body: (await response.json()) as ErrorBody & Record<string, unknown>,
  };
}
