import { buildCommand } from "@stricli/core";
import { releaseLock } from "../api/locks.ts";
import { StartError } from "../kernel/start-error.ts";
import { ask } from "./ask-operation.ts";
import { CliError } from "./cli-error.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { lockPath } from "./lock-path.ts";
import { nodeUrls } from "./node-url.ts";
import { textFlag } from "./text-flag.ts";
import { urlsFlag } from "./url-flag.ts";

interface LockReleaseFlags {
  readonly owner?: string;
  readonly session?: string;
  readonly fencingToken?: string;
  readonly url?: string;
  readonly json: boolean;
}

export const lockReleaseCommand = buildCommand<LockReleaseFlags, [string], CliContext>({
  docs: {
    brief: "Release a lock for whoever holds it",
    fullDescription:
      "Give --owner, or --session with what the grant gave as such; and --fencing-token, so that only that grant is\n" +
      "released and not a newer one.\n\n" +
      "Exit codes: 0 released, 1 refused (not held, held by another, another grant), 64 wrong command line,\n" +
      "69 no node answered or none has a leader.",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [{ parse: String, brief: "Name of the lock", placeholder: "NAME" }] },
    flags: {
      owner: textFlag("Who holds it, by name", "NAME"),
      session: textFlag("Who holds it, by the id of its session", "ID"),
      fencingToken: {
        kind: "parsed",
        parse: parseToken,
        optional: true,
        brief: "Release only the grant with this token",
        placeholder: "N",
      },
      url: urlsFlag,
      json: jsonFlag(),
    },
  },
  async func(flags, name) {
    const { owner, session, fencingToken } = flags;
    if ((owner === undefined) === (session === undefined)) {
      throw new CliError("usage", "lock release needs either --owner or --session; --help says more.");
    }
    const query = new URLSearchParams(owner === undefined ? { session: session ?? "" } : { owner });
    if (fencingToken !== undefined) query.set("fencing_token", fencingToken);
    const target = `${lockPath(name)}?${query}`;
    const client = new ClusterClient(nodeUrls(flags.url, this.environment));
    const released = await ask(client, releaseLock, {
      method: "DELETE",
      target,
      idempotencyKey: crypto.randomUUID(),
    });
    const next = released.granted_to === null ? "" : `; it went to ${released.granted_to.join(", ")}`;
    const text = `${name} was released by ${released.released_by}${next}\n`;
    this.process.stdout.write(flags.json ? jsonText(released) : text);
  },
});

function parseToken(input: string): string {
  if (/^[1-9]\d{0,15}$/.test(input)) return input;
  throw new StartError(`--fencing-token must be a whole number from 1, not "${input}".`);
}
