import { exitCode } from "../exit-code.ts";
import { BackOff } from "./back-off.ts";
import type { UpConsole } from "./console.ts";
import { LineSplitter } from "./line-splitter.ts";
import type { NodePlan } from "./plan.ts";

type Child = Bun.Subprocess<"pipe", "pipe", "pipe">;

/** One node of `up`: a child process that is started again when it dies. */
export class SupervisedNode {
  private child: Child | undefined;
  private restart: ReturnType<typeof setTimeout> | undefined;
  private stopping = false;
  private lastError = "";
  private readonly backOff = new BackOff();

  /**
   * @param command the program, before the node's own inputs
   * @param onRefused the node ended with exit code 78 and will not be started again; with its one sentence
   */
  constructor(
    readonly plan: NodePlan,
    private readonly command: readonly string[],
    private readonly environment: Record<string, string | undefined>,
    private readonly output: UpConsole,
    private readonly onRefused: (node: SupervisedNode, sentence: string) => void,
  ) {}

  get processId(): number | undefined {
    return this.child?.pid;
  }

  start(): void {
    const startedMs = performance.now();
    this.lastError = "";
    const child = Bun.spawn([...this.command, ...this.plan.inputs], {
      // The child reads its standard input until the end: the system closes this pipe however we die.
      stdin: "pipe",
      stdout: "pipe",
      stderr: "pipe",
      env: this.environment,
      // A session of its own, so that Ctrl-C reaches us alone and the nodes stop in our order.
      detached: true,
    });
    this.child = child;
    const pumps = [
      pump(child.stdout, (line) => this.output.nodeLine(this.plan.id, line)),
      pump(child.stderr, (line) => this.onErrorLine(line)),
    ];
    void child.exited.then(async () => {
      await Promise.all(pumps);
      this.onExit(child, performance.now() - startedMs);
    });
  }

  /** Asks the child to end; it is not started again. */
  stop(): void {
    this.stopping = true;
    clearTimeout(this.restart);
    this.child?.kill("SIGTERM");
  }

  /** Ends the child now, also one that is stopped by SIGSTOP. */
  kill(): void {
    this.stopping = true;
    clearTimeout(this.restart);
    this.child?.kill("SIGKILL");
  }

  /** Resolves when no child runs. Call after {@link stop} or {@link kill}. */
  async ended(): Promise<void> {
    await this.child?.exited;
  }

  private onErrorLine(line: string): void {
    if (line.trim() !== "") this.lastError = line.replace(/^mufakat: /, "");
    this.output.nodeLine(this.plan.id, line);
  }

  private onExit(child: Child, ranMs: number): void {
    if (this.child === child) this.child = undefined;
    if (this.stopping) return;
    if (child.exitCode === exitCode.configuration) {
      this.onRefused(this, this.lastError);
      return;
    }
    const { exitCode: code, signalCode } = child;
    this.startAgain(signalCode === null ? `ended with exit code ${code}` : `was ended by ${signalCode}`, ranMs);
  }

  private startAgain(why: string, ranMs: number): void {
    const delayMs = this.backOff.delayMs(ranMs);
    this.output.own(`${this.plan.id} ${why}; starting it again in ${delayMs} ms`);
    this.restart = setTimeout(() => {
      try {
        this.start();
      } catch (error) {
        // The executable is being replaced, or the system has no process left to give.
        this.startAgain(`could not be started (${error instanceof Error ? error.message : String(error)})`, 0);
      }
    }, delayMs);
  }
}

async function pump(stream: ReadableStream<Uint8Array>, onLine: (line: string) => void): Promise<void> {
  const lines = new LineSplitter(onLine);
  for await (const chunk of stream) lines.push(chunk);
  lines.finish();
}
