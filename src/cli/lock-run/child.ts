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
    try {
      this.running = Bun.spawn([...command], {
        stdin: "inherit",
        stdout: "inherit",
        stderr: "inherit",
        env: environment,
        detached: this.isGroup,
      });
    } catch (error) {
      const isMissing = (error as NodeJS.ErrnoException).code === "ENOENT";
      const reason = error instanceof Error ? error.message : String(error);
      throw new NotStarted(
        `cannot run ${command[0]}: ${isMissing ? "there is no such command" : reason}.`,
        isMissing ? exitCode.commandNotFound : exitCode.cannotExecute,
      );
    }
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

/** What a shell makes of an end by that signal. */
export function signalExitCode(signal: NodeJS.Signals): number {
  return exitCode.signalled + (constants.signals[signal] ?? 0);
}
