import { StartError } from "../../kernel/start-error.ts";
import type { Environment } from "../context.ts";
import type { ConfigurationFile } from "./configuration-file.ts";
import { kebabCase, type SettingDefinitions, variableName } from "./definitions.ts";

/** A setting as the person wrote it, and where. */
export interface Setting {
  readonly text: string;
  /** For errors: `--listen`, `MUFAKAT_LISTEN`, or `listen in mufakat.toml:3`. */
  readonly source: string;
}

/** The flags that a table of settings makes. All optional: what is absent may be a variable, stand in a file, or be a default. */
export type SettingFlags<Definitions extends SettingDefinitions> = {
  readonly [Name in keyof Definitions]?: Definitions[Name]["type"] extends "switch" ? boolean : string;
};

type NameOf<Definitions extends SettingDefinitions, Type extends string> = {
  [Name in keyof Definitions]: Definitions[Name]["type"] extends Type ? Name : never;
}[keyof Definitions] &
  string;

type ChoiceOf<Definition> = Definition extends { readonly choices: readonly (infer Choice extends string)[] }
  ? Choice
  : never;

interface Sources<Definitions extends SettingDefinitions> {
  readonly flags: SettingFlags<Definitions>;
  readonly environment: Environment;
  readonly file: ConfigurationFile;
}

/**
 * Looks a setting up: the flag, then `MUFAKAT_…`, then the configuration file, then the older system's variable. An empty
 * variable counts as unset.
 */
export class Settings<Definitions extends SettingDefinitions> {
  constructor(
    private readonly definitions: Definitions,
    private readonly sources: Sources<Definitions>,
  ) {}

  find(name: keyof Definitions & string): Setting | undefined {
    const { flags, environment, file } = this.sources;
    const given = flags[name];
    if (given !== undefined) return { text: String(given), source: flagOf(name) };
    const definition = this.definitions[name];
    const alias = definition !== undefined && "alias" in definition ? definition.alias : undefined;
    return (
      findVariable(environment, variableName(name)) ??
      file.get(name) ??
      (alias === undefined ? undefined : findVariable(environment, alias))
    );
  }

  /** For errors: what set it, or the flag that could. */
  source(name: keyof Definitions & string): string {
    return this.find(name)?.source ?? flagOf(name);
  }

  /** @throws {StartError} */
  integer(name: NameOf<Definitions, "integer">): number {
    const definition = this.definitions[name];
    if (definition?.type !== "integer") throw new TypeError(`${name} is no integer`);
    const setting = this.find(name);
    if (setting === undefined) return definition.default;
    const value = /^\d+$/.test(setting.text) ? Number(setting.text) : Number.NaN;
    if (value >= definition.minimum && value <= definition.maximum) return value;
    const range = `a whole number from ${definition.minimum} to ${definition.maximum}`;
    throw new StartError(`${setting.source} must be ${range}, not "${setting.text}".`);
  }

  /** @throws {StartError} */
  choice<Name extends NameOf<Definitions, "choice">>(name: Name): ChoiceOf<Definitions[Name]> | undefined {
    const definition = this.definitions[name];
    if (definition?.type !== "choice") throw new TypeError(`${name} is no choice`);
    const setting = this.find(name);
    if (setting === undefined) return undefined;
    const chosen = definition.choices.find((choice) => choice === setting.text);
    if (chosen !== undefined) return chosen as ChoiceOf<Definitions[Name]>;
    throw new StartError(`${setting.source} must be one of ${definition.choices.join(", ")}, not "${setting.text}".`);
  }

  /** @throws {StartError} */
  switch(name: NameOf<Definitions, "switch">): boolean {
    const setting = this.find(name);
    if (setting === undefined) return false;
    const text = setting.text.toLowerCase();
    if (["true", "1", "yes", "on"].includes(text)) return true;
    if (["false", "0", "no", "off"].includes(text)) return false;
    throw new StartError(`${setting.source} must be true or false, not "${setting.text}".`);
  }
}

function flagOf(name: string): string {
  return `--${kebabCase(name)}`;
}

/** A variable that is set, and not to nothing. */
export function findVariable(environment: Environment, name: string): Setting | undefined {
  const text = environment[name];
  return text === undefined || text === "" ? undefined : { text, source: name };
}
