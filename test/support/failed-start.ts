import { expect } from "bun:test";
import { cleanEnvironment } from "./process-cluster.ts";

export interface FailedStart {
  readonly code: number;
  /** All of standard error, without what stands around the sentence. */
  readonly sentence: string;
  readonly stdout: string;
}

const DEADLINE_MS = 20_000;

/**
 * Runs a command that must end by itself.
 *
 * @throws when it still runs at the deadline, and when standard error is anything else than one line of one sentence
 */
export async function startThatEnds(command: readonly string[]): Promise<FailedStart> {
  const child = Bun.spawn([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe", env: cleanEnvironment() });
  let late = false;
  const timer = setTimeout(() => {
    late = true;
    child.kill("SIGKILL");
  }, DEADLINE_MS);
  const [stdout, stderr, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  clearTimeout(timer);
  if (late) throw new Error(`still running after ${DEADLINE_MS} ms:\n${stdout}\n${stderr}`);
  expect(stderr).toMatch(/^mufakat: [^\n]+\.\n$/);
  return { code, sentence: stderr.slice("mufakat: ".length, -1), stdout };
}
