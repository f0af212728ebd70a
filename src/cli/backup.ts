import { buildCommand } from "@stricli/core";
import { BackupError } from "../kernel/backup-error.ts";
import { NoBackupError, saveBackup } from "../server/succession/save-backup.ts";
import { CliError } from "./cli-error.ts";
import { errorCode, errorDetails, errorMessage } from "./cluster-client.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { progressBar } from "./progress.ts";
import { urlFlag } from "./url-flag.ts";

interface BackupFlags {
  readonly url?: string;
  readonly force: boolean;
  readonly json: boolean;
}

export const backupCommand = buildCommand<BackupFlags, [file: string], CliContext>({
  docs: {
    brief: "Save the state of the cluster in a file",
    fullDescription:
      "Asks a node for its state as of one entry of the log, which covers all that was acknowledged before, while it serves.\n" +
      "The file has its name only when every byte of it is on the disk and was found right; until then it is FILE.partial.\n" +
      "It holds the ids of sessions, which are secrets. `mufakat restore` makes a new cluster of it.\n\n" +
      "Exit codes: 0 saved, 1 the node refused, 65 what came is damaged, 69 the node does not answer, 78 the file cannot be written.",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [{ brief: "What is written", placeholder: "FILE", parse: String }] },
    flags: {
      url: urlFlag,
      force: { kind: "boolean", default: false, withNegated: false, brief: "Replace a file of that name" },
      json: jsonFlag(),
    },
  },
  async func({ force, json, ...flags }, file) {
    const url = nodeUrl(flags.url, this.environment);
    const bar = progressBar(this.process.stderr, "bytes");
    try {
      const { head, snapshot, bytes } = await saveBackup({ url, file, replaces: force }, bar.update);
      bar.end();
      const { clusterName, clusterId, wallMs, version } = head;
      const { index, term } = snapshot;
      const takenAt = new Date(wallMs).toISOString();
      const shown = { file, bytes, cluster: clusterName, cluster_id: clusterId, last_index: index, last_term: term };
      this.process.stdout.write(
        json
          ? jsonText({ ...shown, taken_at: takenAt, version })
          : `saved ${file}: ${bytes} bytes, cluster ${clusterName} at ${takenAt}, entry ${index} of term ${term}\n`,
      );
    } catch (error) {
      throw explained(error, file);
    } finally {
      bar.end();
    }
  },
});

function explained(error: unknown, file: string): unknown {
  if (error instanceof BackupError) {
    return new CliError(
      error.code,
      `what came for ${file} ${error.message}; it is not kept: ask again, or another node.`,
    );
  }
  if (!(error instanceof NoBackupError)) return error;
  const { answer, message } = error;
  const code = answer === undefined ? undefined : errorCode(answer);
  if (answer === undefined || code === undefined) return new CliError("unreachable", `${message}.`);
  return new CliError(code, errorMessage(answer), { details: errorDetails(answer) });
}
