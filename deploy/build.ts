/**
 * Builds the executable: `npm run build -- --outfile dist/mufakat --entry src/main.ts --if-older`.
 *
 * The two `--no-compile-autoload-…` matter: without them the executable runs the `preload` of a `bunfig.toml`, and reads
 * the `.env`, of whatever folder somebody happens to start it in.
 */
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";

const root = join(import.meta.dir, "..");

const { values } = parseArgs({
  args: process.argv.slice(2),
  options: {
    outfile: { type: "string", default: "dist/mufakat" },
    entry: { type: "string", default: "src/main.ts" },
    /** Do nothing where the executable is newer than every source. */
    "if-older": { type: "boolean", default: false },
  },
});
const outfile = join(root, values.outfile);

if (values["if-older"] && existsSync(outfile) && statSync(outfile).mtimeMs > newestSourceMs()) {
  console.log(`${values.outfile} is newer than the sources`);
} else {
  build();
}

function build(): void {
  mkdirSync(dirname(outfile), { recursive: true });
  const flags = ["--compile", "--minify", "--sourcemap", "--bytecode", "--format=esm"];
  const hermetic = ["--no-compile-autoload-dotenv", "--no-compile-autoload-bunfig"];
  const defines = {
    "process.env.NODE_ENV": JSON.stringify("production"),
    MUFAKAT_EXECUTABLE: "true",
    MUFAKAT_COMMIT: JSON.stringify(currentCommit()),
  };
  const define = Object.entries(defines).flatMap(([name, value]) => ["--define", `${name}=${value}`]);
  // With the root given, a worker has the same path in every executable.
  const entries = ["--root", ".", values.entry, "src/server/snapshot-worker.ts"];
  const command = [process.execPath, "build", ...flags, ...hermetic, ...define, ...entries, "--outfile", outfile];
  const result = Bun.spawnSync(command, { cwd: root, stdio: ["ignore", "inherit", "inherit"] });
  if (result.exitCode !== 0) process.exit(result.exitCode);
  console.log(`${values.outfile}: ${Math.round(statSync(outfile).size / 1e6)} MB`);
}

/** Empty outside a git checkout. */
function currentCommit(): string {
  const result = Bun.spawnSync(["git", "rev-parse", "--short=12", "HEAD"], { cwd: root, stderr: "ignore" });
  return result.exitCode === 0 ? result.stdout.toString().trim() : "";
}

function newestSourceMs(): number {
  const folders = ["src", "routes", "deploy"].map((folder) => join(root, folder));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const pinned = ["package.json", "package-lock.json"].map((name) => join(root, name));
  return Math.max(...[...files, ...pinned].map((file) => statSync(file).mtimeMs));
}
