/**
 * The rules of the house that no compiler or linter checks. Those that one does check are not repeated here:
 * `npm run lint` (.oxlintrc.json) refuses functions over 70 lines, `any`, `!`, default exports, import cycles, floating
 * promises and, in the pure folders, clocks, timers, randomness and promises; src/tsconfig.pure.json takes every runtime's
 * types away from those folders.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { codeOnly, projectRoot, type SourceFile, sourceFiles } from "../support/source-files.ts";

/** What each part may import: itself, and these. DESIGN §2; `sim` hosts the engine as `server` does. */
const allowed: Readonly<Record<string, readonly string[]>> = {
  kernel: [],
  raft: ["kernel"],
  wal: ["kernel", "raft"],
  locks: ["kernel"],
  queue: ["kernel"],
  ring: ["kernel"],
  engine: ["kernel", "raft", "wal", "locks", "queue", "ring"],
  api: ["kernel"],
  io: ["kernel", "raft", "wal", "queue", "engine"],
  server: ["kernel", "raft", "wal", "locks", "queue", "ring", "engine", "api", "io"],
  sim: ["kernel", "raft", "wal", "locks", "queue", "ring", "engine"],
  cli: ["kernel", "ring", "api", "server", "sim"],
  routes: ["kernel", "api", "server"],
  main: ["cli", "server", "routes"],
};
const pureFolders = ["kernel", "raft", "wal", "locks", "queue", "ring"];

/** `src/raft/log.ts` → `raft`; `src/main.ts` → `main`; `routes/app.ts` → `routes`. */
function partOf(path: string): string {
  const [top = "", second = ""] = path.split("/");
  if (top !== "src") return top;
  return second === "main.ts" ? "main" : second;
}

function importsOf(file: SourceFile): string[] {
  const found = file.text.matchAll(/(?:^|\n)\s*(?:import|export)\b[^"';]*?from\s*"([^"]+)"|\bimport\(\s*"([^"]+)"/g);
  return [...found].map(([, from, called]) => from ?? called ?? "");
}

/** Imports that leave the part where the direction forbids it, as `file → target`. */
export function wrongDirections(files: readonly SourceFile[]): string[] {
  return files.flatMap((file) => {
    const part = partOf(file.path);
    return importsOf(file)
      .filter((target) => target.startsWith("."))
      .map((target) => normalize(join(dirname(file.path), target)))
      .filter((target) => target !== "package.json")
      .filter((target) => partOf(target) !== part && !(allowed[part] ?? []).includes(partOf(target)))
      .map((target) => `${file.path} → ${target}`);
  });
}

const sources = sourceFiles("src", "routes");
const everything = sourceFiles("src", "routes", "test", "bench", "deploy");

describe("the direction of imports", () => {
  test("holds for every file", () => {
    expect(wrongDirections(sources)).toEqual([]);
  });

  test("is known for every part", () => {
    const parts = new Set(sources.map((file) => partOf(file.path)));
    expect([...parts].filter((part) => allowed[part] === undefined)).toEqual([]);
  });

  test("is one that a wrong import breaks", () => {
    const wrong = { path: "src/raft/log.ts", text: 'import type { A } from "../engine/ports.ts";\n' };
    const right = { path: "src/engine/engine.ts", text: 'import {\n  a,\n} from "../raft/log.ts";\n' };
    expect(wrongDirections([wrong, right])).toEqual(["src/raft/log.ts → src/engine/ports.ts"]);
  });

  test("lets pure folders import no package", () => {
    const packages = sources
      .filter((file) => pureFolders.includes(partOf(file.path)))
      .flatMap((file) => importsOf(file).map((target) => `${file.path} → ${target}`))
      .filter((line) => !line.includes("→ ."));
    expect(packages).toEqual([]);
  });

  test("goes to files by their full names", () => {
    const short = everything.flatMap((file) =>
      importsOf(file)
        .filter((target) => target.startsWith(".") && !/\.(ts|tsx|json)$/.test(target))
        .map((target) => `${file.path} → ${target}`),
    );
    expect(short).toEqual([]);
  });
});

describe("a file", () => {
  test("has at most 500 lines", () => {
    const long = everything.filter((file) => file.text.split("\n").length > 501).map((file) => file.path);
    expect(long).toEqual([]);
  });

  test("has a name in kebab-case", () => {
    const odd = everything.filter((file) => !/^[a-z0-9-]+(\.test|\.d)?\.tsx?$/.test(file.path.split("/").at(-1) ?? ""));
    expect(odd.map((file) => file.path)).toEqual([]);
  });

  test("defines no enum", () => {
    const enums = everything.filter((file) =>
      /^\s*(export\s+)?(declare\s+)?(const\s+)?enum\s+\w/m.test(codeOnly(file.text)),
    );
    expect(enums.map((file) => file.path)).toEqual([]);
  });

  test("names no path of the machine that it was written on", () => {
    const home = /(["'`\s(])\/(?:work|home|Users)\/[A-Za-z]/;
    const found = everything.filter((file) => home.test(file.text)).map((file) => file.path);
    expect(found).toEqual([]);
  });

  test("switches no test off", () => {
    const narrowed = sourceFiles("test").filter((file) =>
      /\b(?:test|describe|it)\.(?:only|todo|skip)\(/.test(codeOnly(file.text)),
    );
    expect(narrowed.map((file) => file.path)).toEqual([]);
  });
});

describe("the process", () => {
  test("is ended by main.ts alone", () => {
    const ending = sources.filter((file) => /\bprocess\s*\.\s*(exit|abort|kill)\b/.test(codeOnly(file.text)));
    expect(ending.map((file) => file.path)).toEqual(["src/main.ts"]);
  });
});

describe("pure folders", () => {
  const banned =
    /\b(?:Date\.now|new Date\b|performance\.|Math\.random|setTimeout|setInterval|setImmediate|queueMicrotask|Promise\b|async\s|await\s|process\.|Bun\.|Buffer\b|TextEncoder|TextDecoder|require\s*\()/;

  test("see no clock, timer, promise, random source or runtime", () => {
    const impure = sources.filter(
      (file) => pureFolders.includes(partOf(file.path)) && banned.test(codeOnly(file.text)),
    );
    expect(impure.map((file) => file.path)).toEqual([]);
  });

  test("are searched in code and not in comments", () => {
    expect(banned.test(codeOnly("/** `Date.now` is not for us. */ // nor Math.random\n"))).toBe(false);
    expect(banned.test(codeOnly('const text = "Promise";\n'))).toBe(false);
    expect(banned.test(codeOnly("const text = `a ${Date.now()} b`;\n"))).toBe(true);
    expect(banned.test(codeOnly("return Math.random();\n"))).toBe(true);
  });
});

interface InvariantRow {
  readonly id: string;
  /** Cells in backquotes: `src/raft/log.ts`, `test/unit/raft/log.test.ts: "a follower …"`. */
  readonly code: readonly string[];
  readonly tests: readonly string[];
}

/** Rows of the Markdown tables whose columns are id, invariant, code and test. */
export function invariantRows(markdown: string): InvariantRow[] {
  return markdown
    .split("\n")
    .filter((line) => /^\|\s*\**[A-Z]\d+[a-z]?\**\s*\|/.test(line))
    .map((line) => {
      const [, id = "", , code = "", tests = ""] = line.split(/(?<!\\)\|/).map((cell) => cell.trim());
      return { id, code: quoted(code), tests: quoted(tests) };
    });
}

function quoted(cell: string): string[] {
  return [...cell.matchAll(/`([^`]+)`/g)].map(([, inner]) => inner ?? "");
}

/** Why a row is not true, or nothing. */
function faultsOf({ id, code, tests }: InvariantRow): string[] {
  const missing = code.filter((path) => !existsSync(join(projectRoot, path))).map((path) => `${id}: no file ${path}`);
  const untested = tests.flatMap((cell) => {
    const [, path = cell, title] = /^([^\s:]+): "(.+)"$/.exec(cell) ?? [];
    if (!existsSync(join(projectRoot, path))) return [`${id}: no file ${path}`];
    if (title === undefined) return [`${id}: name the test, as in \`${path}: "a sentence"\``];
    return hasTest(readFileSync(join(projectRoot, path), "utf8"), title)
      ? []
      : [`${id}: ${path} has no test "${title}"`];
  });
  const empty = code.length === 0 || tests.length === 0 ? [`${id}: code and test must both be named`] : [];
  return [...missing, ...untested, ...empty];
}

/** True when `title` is the first argument of a call, on whatever line the formatter put it. */
function hasTest(text: string, title: string): boolean {
  return text.replaceAll(/\(\s+"/g, '("').includes(`("${title}"`);
}

describe("docs/INVARIANTS.md", () => {
  const path = join(projectRoot, "docs", "INVARIANTS.md");

  test("names code and tests that exist", () => {
    const rows = existsSync(path) ? invariantRows(readFileSync(path, "utf8")) : [];
    expect(rows.length).toBeGreaterThan(0);
    expect(rows.flatMap(faultsOf)).toEqual([]);
  });

  test("is refused when it names what does not exist", () => {
    const here = "test/unit/house-rules.test.ts";
    const table = [
      "| id | invariant | code | test |",
      "| --- | --- | --- | --- |",
      `| R1 | true | \`src/main.ts\` | \`${here}: "holds for every file"\` |`,
      `| R2 | no such test | \`src/main.ts\` | \`${here}: "holds for no file"\` |`,
      `| D3a | no such code | \`src/none.ts\` | \`${here}: "holds for every file"\` |`,
      "| L4 | nothing named | | |",
    ].join("\n");
    expect(invariantRows(table).flatMap(faultsOf)).toEqual([
      `R2: ${here} has no test "holds for no file"`,
      "D3a: no file src/none.ts",
      "L4: code and test must both be named",
    ]);
  });
});

describe("package.json", () => {
  const text = readFileSync(join(projectRoot, "package.json"), "utf8");
  const { dependencies, devDependencies } = JSON.parse(text) as Record<string, Record<string, string>>;

  test("pins every library to one version and docs/dependencies.md says why it is there", () => {
    const all = { ...dependencies, ...devDependencies };
    expect(Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+$/.test(version))).toEqual([]);
    const documented = readFileSync(join(projectRoot, "docs", "dependencies.md"), "utf8");
    expect(Object.keys(all).filter((name) => !documented.includes(`| \`${name}\` |`))).toEqual([]);
  });

  test("has a lock file that names no registry and every optional package, without which `npm ci` refuses it", () => {
    const lock = readFileSync(join(projectRoot, "package-lock.json"), "utf8");
    expect(lock).not.toContain('"resolved": "http');
    const { packages } = JSON.parse(lock) as {
      packages: Record<string, { optionalDependencies?: Record<string, string> }>;
    };
    const optional = Object.values(packages).flatMap((locked) => Object.keys(locked.optionalDependencies ?? {}));
    expect(optional.filter((name) => packages[`node_modules/${name}`] === undefined)).toEqual([]);
  });
});
