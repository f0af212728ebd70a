import { existsSync } from "node:fs";
import { constants } from "node:os";
import type { CliContext } from "../context.ts";
import { exitCode } from "../exit-code.ts";
import { pause } from "../pause.ts";

/** The command could not be started. */
export class NotStarted extends Error {
  override name = "NotStarted";

  constructor(
    message: string,
    readonly code: number,
  ) {
    super(message);
  }
}

/** The command of `lock run`, with our own standard input, output and error. */
export class Child {
  private readonly running: Bun.Subprocess<"inherit", "inherit", "inherit">;
  /**
   * Without a terminal the command is a process group of its own, so that the whole of a script can be stopped. At a
   * terminal it stays in ours: another group could not read from it.
   */
  private readonly isGroup: boolean;

  /** @throws {NotStarted} */
  constructor(
    private readonly context: CliContext,
    command: readonly string[],
    environment: Record<string, string | undefined>,
  ) {
    this.isGroup = !context.hasTerminal;
    const [program = ""] = command;
    const path = pathOf(program, environment);
    try {
      this.running = this.spawn(command, environment);
    } catch (error) {
      if (path === undefined || errorCodeOf(error) !== "ENOEXEC") throw notStarted(program, path, error);
      // A script without #!: execvp(3), and so every shell, gives it to sh.
      this.running = this.spawn(["/bin/sh", path, ...command.slice(1)], environment);
    }
  }

  private spawn(command: readonly string[], environment: Record<string, string | undefined>) {
    return Bun.spawn([...command], {
      stdin: "inherit",
      stdout: "inherit",
      stderr: "inherit",
      env: environment,
      detached: this.isGroup,
    });
  }

  /** Its exit code, or 128 and the number of the signal that ended it. */
  async ended(): Promise<number> {
    await this.running.exited;
    const { signalCode, exitCode: code } = this.running;
    return typeof signalCode === "string" ? signalExitCode(signalCode) : (code ?? exitCode.failure);
  }

  send(signal: NodeJS.Signals): void {
    if (this.isGroup) this.context.signalGroup(this.running.pid, signal);
    else this.running.kill(signal);
  }

  /** SIGTERM, and SIGKILL to what is left when the command has ended or the grace is over. */
  async stop(graceMs: number): Promise<void> {
    this.send("SIGTERM");
    // A stopped process would take note of it only when somebody lets it go on.
    this.send("SIGCONT");
    await Promise.race([this.running.exited, pause(graceMs)]);
    this.send("SIGKILL");
    await this.running.exited;
  }
}

/** Where the command is, as a shell finds it; undefined: nowhere. */
function pathOf(program: string, environment: Record<string, string | undefined>): string | undefined {
  if (program.includes("/")) return existsSync(program) ? program : undefined;
  return Bun.which(program, { PATH: environment["PATH"] ?? "" }) ?? undefined;
}

function notStarted(program: string, path: string | undefined, error: unknown): NotStarted {
  const code = errorCodeOf(error);
  const said = `cannot run "${program}"`;
  if (code === "ENOENT" && path === undefined) {
    return new NotStarted(`${said}: there is no such command.`, exitCode.commandNotFound);
  }
  const reasons: Readonly<Record<string, string>> = {
    ENOENT: "the interpreter that its first line names does not exist",
    EACCES: "it is no program, or may not be executed",
    E2BIG: "its arguments and the environment are too long",
  };
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new NotStarted(`${said}: ${reason}.`, exitCode.cannotExecute);
}

function errorCodeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? "";
}

/** What a shell makes of an end by that signal. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return exitCode.signalled + (constants.signals[signal] ?? 0);
}
