import { type ByteReader, type ByteWriter, demand } from "../../kernel/bytes.ts";
import { readChanges, writeChanges } from "../fields.ts";
import { SETTING_NAMES } from "../settings.ts";
import type { QueueSettings } from "../types.ts";

/** All of them: what the defaults are may change. */
export function writeSettings(writer: ByteWriter, settings: QueueSettings): void {
  writeChanges(writer, settings);
}

export function readSettings(reader: ByteReader): QueueSettings {
  const settings = readChanges(reader);
  demand(
    SETTING_NAMES.every((name) => settings[name] !== undefined),
    "a setting is missing",
  );
  return settings as QueueSettings;
}
