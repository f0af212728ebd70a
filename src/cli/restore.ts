import { buildCommand } from "@stricli/core";
import { BackupError } from "../kernel/backup-error.ts";
import { restoreBackup } from "../server/succession/restore-backup.ts";
import { CliError } from "./cli-error.ts";
import { checkName } from "./configuration/members.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { countsText, type DataFlags, dataFlags, foundedJson, foundedText, nodeAndData } from "./new-cluster.ts";
import { progressBar } from "./progress.ts";
import { textFlag } from "./text-flag.ts";

interface RestoreFlags extends DataFlags {
  readonly cluster?: string;
  readonly json: boolean;
}

/** What to do, where the error itself does not say it. */
const remedies: Readonly<Record<BackupError["code"], string>> = {
  damaged_backup: ": restore another backup",
  not_a_backup: ': name a file that "mufakat backup" wrote',
  other_format: "",
};

export const restoreCommand = buildCommand<RestoreFlags, [file: string], CliContext>({
  docs: {
    brief: "Make a new cluster of a backup",
    fullDescription:
      "Makes an empty data directory the one of a new cluster with one node, with all that the backup holds. Every byte is\n" +
      "checked before anything is written, and a directory that holds anything is refused. Locks and sessions are held as\n" +
      "they were, with what was left of their leases; new fencing tokens are larger than all that the old cluster gave out,\n" +
      "also after the backup. What happened after it is lost.\n\n" +
      "Exit codes: 0 restored, 65 the file is damaged, none of ours or of another version, 78 --data is not empty or in use.",
  },
  parameters: {
    positional: {
      kind: "tuple",
      parameters: [{ brief: "What mufakat backup wrote", placeholder: "FILE", parse: String }],
    },
    flags: {
      ...dataFlags,
      cluster: textFlag("Name of the new cluster (default: as it was)", "NAME"),
      json: jsonFlag(),
    },
  },
  async func({ cluster, json, ...flags }, file) {
    const { nodeId, dataDirectory } = nodeAndData(flags, this.environment);
    const clusterName = cluster === undefined ? undefined : checkName(cluster, "--cluster");
    const bar = progressBar(this.process.stderr, "bytes");
    try {
      const restored = await restoreBackup({ file, dataDirectory, nodeId, clusterName }, bar.update);
      bar.end();
      const { backup, counts, point } = restored;
      const takenAt = new Date(backup.wallMs).toISOString();
      const text = `restored  ${countsText(counts)}, as of ${takenAt}, entry ${point.index} of term ${point.term}\n`;
      this.process.stdout.write(
        json
          ? jsonText({ ...foundedJson(restored), taken_at: takenAt, version: backup.version })
          : text + foundedText(restored),
      );
    } catch (error) {
      bar.end();
      if (!(error instanceof BackupError)) throw error;
      throw new CliError(error.code, `${file} ${error.message}; nothing was changed${remedies[error.code]}.`);
    }
  },
});
