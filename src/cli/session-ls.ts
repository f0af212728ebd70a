import { buildCommand } from "@stricli/core";
import type { OperationOutput } from "../api/operation.ts";
import { listSessions } from "../api/sessions.ts";
import { answering, ask } from "./ask-operation.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { nodeUrls } from "./node-url.ts";
import { shortDuration } from "./short-duration.ts";
import { tableText } from "./table.ts";
import { textFlag } from "./text-flag.ts";

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
      "Exit codes: 0 listed, 1 refused, 2 no node answered.",
  },
  parameters: {
    flags: {
      url: textFlag("Addresses of nodes, tried in turn (default http://127.0.0.1:8001)", "URL,URL…"),
      json: { kind: "boolean", default: false, brief: "As JSON", withNegated: false },
    },
  },
  func(flags) {
    return answering(this, async () => {
      const sessions = await allSessions(new ClusterClient(nodeUrls(flags.url, this.environment)));
      const text = flags.json ? `${JSON.stringify({ sessions }, null, 2)}\n` : sessionsText(this, sessions);
      this.process.stdout.write(text);
    });
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
