import { closeSync, openSync, readSync } from "node:fs";
import { StartError } from "../../kernel/start-error.ts";
import { kebabCase, type SettingDefinition, type SettingDefinitions } from "./definitions.ts";
import { didYouMean } from "./nearest.ts";
import type { Setting } from "./settings.ts";

/** Larger than any configuration; a device or a log given by mistake is not read to its end. */
const MAX_FILE_BYTES = 64 * 1024;

/** What a configuration file sets, by the names of the definitions; each with the place where it stands. */
export type ConfigurationFile = ReadonlyMap<string, Setting>;

export interface FileReader {
  /** For the error about a key that does not belong here: `serve`. */
  readonly command: string;
  readonly definitions: SettingDefinitions;
  /** Settings of other commands: a key of theirs is no slip of the finger. */
  readonly elsewhere: Readonly<Record<string, SettingDefinitions>>;
}

/**
 * Reads a TOML file whose keys are the flags' names: `peer-listen = "127.0.0.1:9001"`. Peers are a table of id to address.
 *
 * @param named the path, and what named it: `--config`, `MUFAKAT_CONFIG`
 * @throws {StartError} at the first thing that is wrong
 */
export function readConfigurationFile({ text: path, source }: Setting, reader: FileReader): ConfigurationFile {
  const text = readText(path, source);
  const settings = new Map<string, Setting>();
  const names = new Map(Object.keys(reader.definitions).map((name) => [kebabCase(name), name]));
  for (const [key, value] of Object.entries(parse(text, path))) {
    const place = `${key} in ${path}${lineOfKey(text, key)}`;
    const name = names.get(key);
    const definition = name === undefined ? undefined : reader.definitions[name];
    if (name === undefined || definition === undefined) throw unknownKey(key, place, reader);
    settings.set(name, { text: asText(value, place, definition), source: place });
  }
  return settings;
}

function readText(path: string, source: string): string {
  const bytes = Buffer.alloc(MAX_FILE_BYTES + 1);
  let length = 0;
  try {
    const file = openSync(path, "r");
    try {
      // A pipe, as of a shell's <(…), gives a part at a time.
      for (let read = -1; read !== 0 && length < bytes.length; length += read) {
        read = readSync(file, bytes, length, bytes.length - length, null);
      }
    } finally {
      closeSync(file);
    }
  } catch (error) {
    throw new StartError(`${source} names ${path}, which cannot be read: ${readFault(error)}.`);
  }
  if (length > MAX_FILE_BYTES) {
    throw new StartError(
      `${source} names ${path}, which is longer than a configuration can be, ${MAX_FILE_BYTES} bytes.`,
    );
  }
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes.subarray(0, length));
  } catch {
    throw new StartError(`${source} names ${path}, which is no text in UTF-8.`);
  }
}

function readFault(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code === "ENOENT") return "there is no such file";
  if (code === "EACCES") return "permission is denied";
  if (code === "EISDIR") return "it is a directory";
  return error instanceof Error ? error.message : String(error);
}

function parse(text: string, path: string): Readonly<Record<string, unknown>> {
  try {
    return parseToml(text);
  } catch (error) {
    const fault = faultOf(error);
    throw new StartError(`${path}${lineOfFault(text, fault)} is not TOML: ${fault}.`);
  }
}

function parseToml(text: string): Readonly<Record<string, unknown>> {
  return Bun.TOML.parse(text) as Record<string, unknown>;
}

function faultOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace(/^TOML Parse error: /, "");
}

/**
 * `:3`. The parser does not say where it stopped; but it reads from the front, so it says the same of every beginning of
 * the file that holds the fault, and of no shorter one.
 */
function lineOfFault(text: string, fault: string): string {
  const lines = text.split("\n");
  const hasFault = (count: number): boolean => {
    try {
      parseToml(`${lines.slice(0, count).join("\n")}\n`);
      return false;
    } catch (error) {
      return faultOf(error) === fault;
    }
  };
  let without = 0;
  let first = lines.length;
  while (first - without > 1) {
    const middle = (without + first) >> 1;
    if (hasFault(middle)) first = middle;
    else without = middle;
  }
  return hasFault(first) ? `:${first}` : "";
}

/** `:3`, where the key stands plainly at the beginning of a line or as the name of a table. */
function lineOfKey(text: string, key: string): string {
  const index = text.split("\n").findIndex((line) => {
    const begin = line.trimStart().replace(/^\[+\s*/, "");
    return [key, `"${key}"`, `'${key}'`].some(
      (form) => begin.startsWith(form) && /^\s*[=.\]]/.test(begin.slice(form.length)),
    );
  });
  return index < 0 ? "" : `:${index + 1}`;
}

function unknownKey(key: string, place: string, { command, definitions, elsewhere }: FileReader): StartError {
  const owner = Object.entries(elsewhere).find(([, others]) => Object.keys(others).map(kebabCase).includes(key));
  if (owner !== undefined) return new StartError(`${place} is a setting of "${owner[0]}", not of "${command}".`);
  const known = Object.keys(definitions).map(kebabCase);
  const meant = didYouMean(key, known);
  return new StartError(`${place} is not a setting${meant === "" ? `: there are ${known.join(", ")}` : meant}.`);
}

/** The value as the flag would have it, so that both are checked alike. */
function asText(value: unknown, place: string, definition: SettingDefinition): string {
  const wanted = (form: string) => new StartError(`${place} must be ${form}, not ${kindOf(value)}.`);
  switch (definition.type) {
    case "text":
    case "choice":
      if (typeof value === "string") return value;
      throw wanted("text in quotes");
    case "integer":
      if (typeof value === "number") return String(value);
      throw wanted("a number without quotes");
    case "switch":
      if (typeof value === "boolean") return String(value);
      throw wanted("true or false without quotes");
    case "members":
      if (isMembersTable(value))
        return Object.entries(value)
          .map((entry) => entry.join("="))
          .join(",");
      throw new StartError(`${place} must be a table of ids with one address each, such as node1 = "127.0.0.1:9001".`);
  }
}

/** A comma would make two members of one when the table is read as the flag's list. */
function isMembersTable(value: unknown): value is Readonly<Record<string, string>> {
  if (kindOf(value) !== "a table") return false;
  return Object.entries(value as object).every(
    ([id, address]) => typeof address === "string" && !`${id}${address}`.includes(","),
  );
}

function kindOf(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return "a number";
  if (typeof value === "boolean") return String(value);
  return Object.getPrototypeOf(value) === Object.prototype ? "a table" : "a date";
}
