import { buildCommand } from "@stricli/core";
import { releaseLock } from "../api/locks.ts";
import { StartError } from "../kernel/start-error.ts";
import { answering, ask } from "./ask-operation.ts";
import { ClusterClient } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { nodeUrls } from "./node-url.ts";
import { textFlag } from "./text-flag.ts";

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
      "Exit codes: 0 released, 1 refused: not held, held by another, another grant; 2 no node answered; 64 usage.",
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
      url: textFlag("Addresses of nodes, tried in turn (default http://127.0.0.1:8001)", "URL,URL…"),
      json: { kind: "boolean", default: false, brief: "As JSON", withNegated: false },
    },
  },
  async func(flags, name) {
    const { owner, session, fencingToken } = flags;
    if ((owner === undefined) === (session === undefined)) {
      this.process.stderr.write("mufakat: lock release needs either --owner or --session; --help says more.\n");
      this.process.exitCode = exitCode.usage;
      return;
    }
    await answering(this, async () => {
      const query = new URLSearchParams(owner === undefined ? { session: session ?? "" } : { owner });
      if (fencingToken !== undefined) query.set("fencing_token", fencingToken);
      const client = new ClusterClient(nodeUrls(flags.url, this.environment));
      const released = await ask(client, releaseLock, {
        method: "DELETE",
        target: `/lock/${encodeURIComponent(name)}?${query}`,
        idempotencyKey: crypto.randomUUID(),
      });
      const next = released.granted_to === null ? "" : `; it went to ${released.granted_to.join(", ")}`;
      const text = `${name} was released by ${released.released_by}${next}\n`;
      this.process.stdout.write(flags.json ? `${JSON.stringify(released, null, 2)}\n` : text);
    });
  },
});

function parseToken(input: string): string {
  if (/^[1-9]\d{0,15}$/.test(input)) return input;
  throw new StartError(`--fencing-token must be a whole number from 1, not "${input}"`);
}
