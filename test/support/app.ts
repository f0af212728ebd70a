import { createApp } from "../../routes/app.ts";
import type { ControlGroup } from "../../src/server/control-group.ts";
import { HttpStatistics } from "../../src/server/http-statistics.ts";
import { Metrics } from "../../src/server/metrics.ts";
import { randomId } from "../../src/server/random-id.ts";
import { createRun } from "../../src/server/run.ts";
import { emptyStatistics } from "./scripted-control-group.ts";

/** The HTTP surface over a group, and what it found unexpected. */
export function appOver(group: ControlGroup) {
  const http = new HttpStatistics();
  const internalErrors: unknown[] = [];
  const app = createApp({
    run: createRun({ group, randomId }),
    metrics: new Metrics({ group, statistics: () => emptyStatistics, http }),
    statistics: http,
    allowedHosts: ["node1.example"],
    onInternalError: (error) => internalErrors.push(error),
  });
  return { app, http, internalErrors };
}
