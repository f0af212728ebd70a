import { readdirSync, readFileSync, existsSync } from "node:fs";
import { join } from "node:path";

/** The top of the project. */
export const projectRoot = join(import.meta.dir, "..", "..");

export interface SourceFile {
  /** From the top of the project, with forward slashes. */
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript file under the folders. A folder that is not there holds none. */
export function sourceFiles(...folders: readonly string[]): SourceFile[] {
  return folders
    .filter((folder) => existsSync(join(projectRoot, folder)))
    .flatMap((folder) =>
      readdirSync(join(projectRoot, folder), { recursive: true, encoding: "utf8" })
        .filter((name) => /\.tsx?$/.test(name))
        .map((name) => `${folder}/${name}`),
    )
    .sort()
    .map((path) => ({ path, text: readFileSync(join(projectRoot, path), "utf8") }));
}

/**
 * The text without its comments, and with strings and the fixed parts of templates emptied, so that a search finds code
 * alone. Line breaks stay. A regular expression that holds a quote would lead it astray: it errs towards seeing less.
 */
export function codeOnly(text: string): string {
  const token = /\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*'|`(?:\\.|[^`\\])*`/g;
  return text.replace(token, (match) => {
    if (match.startsWith("`")) return [...match.matchAll(/\$\{([^}]*)\}/g)].map(([, code]) => ` ${code} `).join("");
    return match.startsWith("/") ? match.replaceAll(/[^\n]/g, "") : '""';
  });
}
