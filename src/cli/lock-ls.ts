import { buildCommand } from "@stricli/core";
import { listLocks } from "../api/locks.ts";
import type { OperationOutput } from "../api/operation.ts";
import { ask } from "./ask-operation.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrls } from "./node-url.ts";
import { shortDuration } from "./short-duration.ts";
import { tableText } from "./table.ts";
import { textFlag } from "./text-flag.ts";
import { urlsFlag } from "./url-flag.ts";

interface LockLsFlags {
  readonly prefix?: string;
  readonly url?: string;
  readonly json: boolean;
}

type LockState = OperationOutput<typeof listLocks>["locks"][string];

const PAGE = 500;
const SHOWN_HOLDERS = 3;

export const lockLsCommand = buildCommand<LockLsFlags, [], CliContext>({
  docs: {
    brief: "List locks that are held or waited for",
    fullDescription:
      "Each page is a linearizable read of its own. Ages are in lease time, which stands still without a leader.\n\n" +
      "Exit codes: 0 listed, 1 refused, 69 no node answered or none has a leader.",
  },
  parameters: {
    flags: {
      prefix: textFlag("Only names that begin so", "PREFIX"),
      url: urlsFlag,
      json: jsonFlag(),
    },
  },
  async func(flags) {
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const locks = await allLocks(client, flags.prefix ?? "");
    this.process.stdout.write(flags.json ? locksJson(locks) : locksText(this, locks));
  },
});

async function allLocks(client: ClusterClient, prefix: string): Promise<Map<string, LockState>> {
  const locks = new Map<string, LockState>();
  for (let after: string | undefined = ""; after !== undefined;) {
    const query = new URLSearchParams({ prefix, after, limit: String(PAGE) });
    const page: OperationOutput<typeof listLocks> = await ask(client, listLocks, {
      method: "GET",
      target: `/locks?${query}`,
    });
    for (const [name, state] of Object.entries(page.locks)) locks.set(name, state);
    after = page.next;
  }
  return locks;
}

function locksJson(locks: ReadonlyMap<string, LockState>): string {
  const shown = [...locks].map(([name, state]) => ({ lock_name: name, ...state }));
  return jsonText({ locks: shown });
}

function locksText(context: CliContext, locks: ReadonlyMap<string, LockState>): string {
  if (locks.size === 0) return "no lock is held\n";
  const head = ["lock", "mode", "token", "held by", "for", "expires in", "waiting", "longest"];
  const rows = [...locks].map(([name, { type, fencing_token: token, owners, waiters, holders, queue }]) => {
    const [oldest] = holders;
    const [first] = queue;
    return [
      name,
      type ?? "",
      String(token ?? ""),
      shownOwners(owners),
      oldest === undefined ? "" : shortDuration(oldest.held_for_ms),
      oldest === undefined ? "" : shortDuration(Math.max(...holders.map((holder) => holder.expires_in_ms))),
      String(waiters.length),
      first === undefined ? "" : shortDuration(first.waiting_for_ms),
    ];
  });
  return tableText(context, head, rows);
}

function shownOwners(owners: readonly string[]): string {
  const more = owners.length - SHOWN_HOLDERS;
  return `${owners.slice(0, SHOWN_HOLDERS).join(", ")}${more > 0 ? ` and ${more} more` : ""}`;
}
