import { buildCommand } from "@stricli/core";
import { commit, version } from "../server/version.ts";
import type { CliContext } from "./context.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";

interface VersionFlags {
  readonly json: boolean;
}

export const versionCommand = buildCommand<VersionFlags, [], CliContext>({
  docs: { brief: "Print the version of this program" },
  parameters: { flags: { json: jsonFlag() } },
  func({ json }) {
    const bun = Bun.version;
    const text = `mufakat ${version}${commit === undefined ? "" : ` (${commit})`}, Bun ${bun}\n`;
    this.process.stdout.write(json ? jsonText({ version, commit: commit ?? null, bun }) : text);
  },
});
