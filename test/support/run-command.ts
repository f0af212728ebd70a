import { cleanEnvironment } from "./process-cluster.ts";

export interface CommandRun {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

const DEADLINE_MS = 60_000;

/** Runs a command to its end, without a terminal. @throws when it still runs at the deadline */
export async function runCommand(command: readonly string[]): Promise<CommandRun> {
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
  if (late) throw new Error(`still running after ${DEADLINE_MS} ms: ${command.join(" ")}\n${stdout}\n${stderr}`);
  return { code, stdout, stderr };
}
