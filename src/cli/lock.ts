import { buildRouteMap } from "@stricli/core";
import { lockLsCommand } from "./lock-ls.ts";
import { lockReleaseCommand } from "./lock-release.ts";
import { lockRunCommand } from "./lock-run.ts";
import { sessionLsCommand } from "./session-ls.ts";

export const lockRoutes = buildRouteMap({
  routes: { run: lockRunCommand, ls: lockLsCommand, release: lockReleaseCommand },
  docs: { brief: "Run a command under a lock, list locks, release one" },
});

export const sessionRoutes = buildRouteMap({
  routes: { ls: sessionLsCommand },
  docs: { brief: "List sessions" },
});
