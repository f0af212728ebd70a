import { QueueName } from "../../api/queues/fields.ts";
import { CliError } from "../cli-error.ts";

/**
 * The path of a queue in the HTTP interface.
 *
 * @throws {CliError} for a name that no path can hold: every HTTP library takes `.` and `..` for folders, encoded or not
 */
export function queuePath(name: string): string {
  checkQueueName(name);
  if (name === "." || name === "..") {
    throw new CliError("usage", `a queue cannot be named "${name}": in the path of a URL that is a folder.`);
  }
  return `/queue/${encodeURIComponent(name)}`;
}

/** @throws {CliError} for what is no name of a queue */
export function checkQueueName(name: string): void {
  const refused = QueueName.safeParse(name).error?.issues[0]?.message;
  if (refused !== undefined) throw new CliError("usage", `the name of a queue ${refused}.`);
}

/** With those of the fields that are given; `""` for none. */
export function queryText(fields: Readonly<Record<string, string | number | undefined>>): string {
  const given = Object.entries(fields).flatMap(([name, value]) => (value === undefined ? [] : [[name, String(value)]]));
  return given.length === 0 ? "" : `?${new URLSearchParams(given)}`;
}

export function jsonBytes(value: unknown): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
