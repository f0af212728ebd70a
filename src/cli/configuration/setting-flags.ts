import { textFlag } from "../text-flag.ts";
import type { SettingDefinitions } from "./definitions.ts";

type SwitchFlag = ReturnType<typeof switchFlag>;
type TextFlag = ReturnType<typeof textFlag>;

type FlagParameters<Definitions extends SettingDefinitions> = {
  readonly [Name in keyof Definitions]: Definitions[Name]["type"] extends "switch" ? SwitchFlag : TextFlag;
};

/** `--config`: it names the file, so the file cannot set it. */
export const configFlag = textFlag("TOML file with settings by the names of these flags (or MUFAKAT_CONFIG)", "FILE");

/** The flags of a table of settings, as the command line's library wants them. What they hold is checked with all other sources. */
export function flagsOf<Definitions extends SettingDefinitions>(definitions: Definitions): FlagParameters<Definitions> {
  const flags = Object.entries(definitions).map(([name, definition]) => {
    const flag =
      definition.type === "switch" ? switchFlag(definition.brief) : textFlag(definition.brief, definition.placeholder);
    return [name, flag];
  });
  return Object.fromEntries(flags) as FlagParameters<Definitions>;
}

function switchFlag(brief: string) {
  return { kind: "boolean", optional: true, withNegated: false, brief } as const;
}
