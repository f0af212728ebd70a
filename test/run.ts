/**
 * Runs test suites one after the other and ends with their sum: `bun test/run.ts unit conformance simulation integration`.
 *
 * Each suite is a folder under test/ and a `bun test` of its own with a deadline. `--quick` asks for the short form of
 * suites that have one (MUFAKAT_TEST_QUICK=1). What follows `--` goes to `bun test` (`-- -t "a name"`).
 */
import { existsSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** When a suite counts as hung, and when one test of it does that names no deadline of its own. */
const deadlines: Readonly<Record<string, { readonly suiteMinutes: number; readonly testMs: number }>> = {
  unit: { suiteMinutes: 5, testMs: 10_000 },
  conformance: { suiteMinutes: 5, testMs: 60_000 },
  simulation: { suiteMinutes: 15, testMs: 120_000 },
  integration: { suiteMinutes: 40, testMs: 120_000 },
};

interface Outcome {
  readonly passed: number;
  readonly failed: number;
  /** By name. */
  readonly skipped: readonly string[];
}

const root = join(import.meta.dir, "..");
const inputs = process.argv.slice(2);
const separator = inputs.indexOf("--");
const own = separator < 0 ? inputs : inputs.slice(0, separator);
const passedOn = separator < 0 ? [] : inputs.slice(separator + 1);
const quick = own.includes("--quick");
const suites = own.filter((input) => input !== "--quick");
const unknown = suites.filter((suite) => deadlines[suite] === undefined);
if (suites.length === 0 || unknown.length > 0) {
  console.error(`test/run.ts: name suites out of ${Object.keys(deadlines).join(", ")}; not "${unknown.join(" ")}"`);
  process.exit(64);
}

const reports = mkdtempSync(join(tmpdir(), "mufakat-reports-"));
const outcomes: Outcome[] = [];
for (const suite of suites) outcomes.push(await runSuite(suite));
rmSync(reports, { recursive: true, force: true });
const total = outcomes.reduce((a, b) => ({
  passed: a.passed + b.passed,
  failed: a.failed + b.failed,
  skipped: [...a.skipped, ...b.skipped],
}));
console.log();
// What a name was asked for (`-- -t`) leaves out is no news.
if (passedOn.length === 0) for (const name of total.skipped) console.log(`SKIPPED ${name}`);
const skipped = total.skipped.length === 0 ? "" : `, ${total.skipped.length} skipped`;
console.log(`${total.passed} passed, ${total.failed} failed${skipped}`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);

async function runSuite(suite: string): Promise<Outcome> {
  console.log(`\n== ${suite}`);
  if (suite === "integration" && !(await run(["deploy/build.ts", "--if-older"], 5))) {
    console.error("the executable could not be built");
    return { passed: 0, failed: 1, skipped: [] };
  }
  const report = join(reports, `${suite}.xml`);
  const { suiteMinutes, testMs } = deadlines[suite] ?? { suiteMinutes: 5, testMs: 5_000 };
  const flags = [`--timeout=${testMs}`, "--reporter=junit", `--reporter-outfile=${report}`];
  const ended = await run(["test", `./test/${suite}`, ...flags, ...passedOn], suiteMinutes);
  const counted = readReport(report);
  // A file that cannot be loaded, a crash, a hang: the report alone would call that green.
  return ended || counted.failed > 0 ? counted : { ...counted, failed: 1 };
}

/** @returns false when it failed or had to be killed */
async function run(command: readonly string[], minutes: number): Promise<boolean> {
  const child = Bun.spawn([process.execPath, ...command], {
    cwd: root,
    env: { ...process.env, ...(quick ? { MUFAKAT_TEST_QUICK: "1" } : {}) },
    stdio: ["ignore", "inherit", "inherit"],
  });
  const timer = setTimeout(() => {
    console.error(`${command.join(" ")} did not end within ${minutes} minutes and is killed`);
    child.kill("SIGKILL");
  }, minutes * 60_000);
  await child.exited;
  clearTimeout(timer);
  return child.exitCode === 0;
}

function readReport(path: string): Outcome {
  const report = existsSync(path) ? readFileSync(path, "utf8") : "";
  const head = /<testsuites [^>]*>/.exec(report)?.[0] ?? "";
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  const failed = count("failures") + count("errors");
  return { passed: count("tests") - failed - count("skipped"), failed, skipped: skippedTests(report) };
}

/** `file: group > name` of each. */
function skippedTests(report: string): string[] {
  const cases = report.matchAll(/<testcase ([^>]*[^/])>\s*<skipped\b/g);
  return [...cases].map(([, attributes = ""]) => {
    const value = (name: string) => unescaped(new RegExp(`(?:^| )${name}="([^"]*)"`).exec(attributes)?.[1] ?? "");
    const group = value("classname");
    return `${value("file")}: ${group === "" ? "" : `${group} > `}${value("name")}`;
  });
}

function unescaped(text: string): string {
  const characters: Readonly<Record<string, string>> = { lt: "<", gt: ">", quot: '"', apos: "'", amp: "&" };
  return text.replaceAll(/&(lt|gt|quot|apos|amp);/g, (whole, name: string) => characters[name] ?? whole);
}
