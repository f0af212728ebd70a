import { Name } from "../api/names.ts";
import { CliError } from "./cli-error.ts";

/**
 * The path of a lock in the HTTP interface.
 *
 * @throws {CliError} for a name that no path can hold: every HTTP library takes `.` and `..` for folders, encoded or not
 */
export function lockPath(name: string): string {
  const refused = Name.safeParse(name).error?.issues[0]?.message;
  if (refused !== undefined) throw new CliError("usage", `the name of a lock ${refused}.`);
  if (name === "." || name === "..") {
    throw new CliError("usage", `a lock cannot be named "${name}": in the path of a URL that is a folder.`);
  }
  return `/lock/${encodeURIComponent(name)}`;
}
