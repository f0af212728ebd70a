import { buildCommand } from "@stricli/core";
import type { OperationOutput } from "../api/operation.ts";
import { listSessions } from "../api/sessions.ts";
import { ask } from "./ask-operation.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrls } from "./node-url.ts";
import { shortDuration } from "./short-duration.ts";
import { tableText } from "./table.ts";
import { urlsFlag } from "./url-flag.ts";

interface SessionLsFlags {
  readonly url?: string;
  readonly json: boolean;
}

type Page = OperationOutput<typeof listSessions>;

export const sessionLsCommand = buildCommand<SessionLsFlags, [], CliContext>({
  docs: {
    brief: "List sessions, without their secret ids",
    fullDescription:
      "Names are those that holders are shown by. Times are in lease time, which stands still without a leader.\n\n" +
      "Exit codes: 0 listed, 1 refused, 69 no node answered or none has a leader.",
  },
  parameters: {
    flags: {
      url: urlsFlag,
      json: jsonFlag(),
    },
  },
  async func(flags) {
    const sessions = await allSessions(new ClusterClient(nodeUrls(flags.url, this.environment)));
    this.process.stdout.write(flags.json ? jsonText({ sessions }) : sessionsText(this, sessions));
  },
});

async function allSessions(client: ClusterClient): Promise<Page["sessions"][number][]> {
  const sessions: Page["sessions"][number][] = [];
  let target: string | undefined = "/sessions";
  while (target !== undefined) {
    const page: Page = await ask(client, listSessions, { method: "GET", target });
    sessions.push(...page.sessions);
    target = page.next === undefined ? undefined : `/sessions?after=${page.next}`;
  }
  return sessions;
}

function sessionsText(context: CliContext, sessions: readonly Page["sessions"][number][]): string {
  if (sessions.length === 0) return "no session is open\n";
  const rows = sessions.map(({ session, ttl_ms: ttlMs, expires_in_ms: leftMs, holds, waiters }) => [
    session,
    shortDuration(ttlMs),
    shortDuration(leftMs),
    String(holds),
    String(waiters),
  ]);
  return tableText(context, ["session", "ttl", "expires in", "holds", "waits for"], rows);
}
