import type { Environment } from "../context.ts";
import { readConfigurationFile } from "./configuration-file.ts";
import { clusterSettings, nodeSettings } from "./definitions.ts";
import { findVariable, type Setting, type SettingFlags, Settings } from "./settings.ts";

/** Commands that have settings, for whoever gives the file of one to another. */
const commands = { serve: nodeSettings, up: clusterSettings } as const;

/**
 * The settings of a command, with the configuration file that `--config` or MUFAKAT_CONFIG names. No file is looked for
 * elsewhere: what lies in a folder by chance must not change what a node does there.
 *
 * @throws {StartError} when the file cannot be read, or holds what is no setting of this command
 */
export function loadSettings<Command extends keyof typeof commands>(
  command: Command,
  flags: SettingFlags<(typeof commands)[Command]> & { readonly config?: string },
  environment: Environment,
): { readonly settings: Settings<(typeof commands)[Command]>; readonly configurationFile: string | undefined } {
  const named = flags.config === undefined ? namedBy(environment) : { text: flags.config, source: "--config" };
  const { [command]: definitions, ...elsewhere } = commands;
  const file = named === undefined ? new Map() : readConfigurationFile(named, { command, definitions, elsewhere });
  return { settings: new Settings(definitions, { flags, environment, file }), configurationFile: named?.text };
}

/** Of `serve` or `up`, whichever it was that started a node on this machine. */
const settingsHere = { ...clusterSettings, ...nodeSettings } as const;

/**
 * What the environment says of a node on this machine, for commands that look for it.
 *
 * @throws {StartError} as {@link loadSettings} does
 */
export function loadSettingsHere(environment: Environment): Settings<typeof settingsHere> {
  const named = namedBy(environment);
  const reader = { command: "serve", definitions: settingsHere, elsewhere: {} };
  const file = named === undefined ? new Map() : readConfigurationFile(named, reader);
  return new Settings(settingsHere, { flags: {}, environment, file });
}

function namedBy(environment: Environment): Setting | undefined {
  return findVariable(environment, "MUFAKAT_CONFIG");
}
