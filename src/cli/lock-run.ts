import { buildCommand } from "@stricli/core";
import { limits } from "../kernel/limits.ts";
import { StartError } from "../kernel/start-error.ts";
import { CliError } from "./cli-error.ts";
import { ClusterClient, Unreachable } from "./cluster-client.ts";
import type { CliContext, StopSignal } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { Child, NotStarted, signalExitCode } from "./lock-run/child.ts";
import { describeHolders } from "./lock-run/holders.ts";
import { takeLock, type Taken } from "./lock-run/take-lock.ts";
import { lockPath } from "./lock-path.ts";
import { nodeUrls } from "./node-url.ts";
import { secondsBetween } from "./seconds.ts";
import { urlsFlag } from "./url-flag.ts";

interface LockRunFlags {
  readonly shared: boolean;
  readonly ttl: number;
  readonly wait?: number;
  readonly grace?: number;
  readonly conflictExitCode?: number;
  readonly url?: string;
}

type Granted = Extract<Taken, { type: "granted" }>;

const DEFAULT_GRACE_MS = 5_000;
const FORWARDED: readonly StopSignal[] = ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"];

export const lockRunCommand = buildCommand<LockRunFlags, [string], CliContext>({
  docs: {
    brief: "Run a command while holding a lock",
    customUsage: ["NAME [--shared] [--ttl SECONDS] [--wait SECONDS] [--url URL,URL…] -- COMMAND [ARG…]"],
    fullDescription:
      "Waits for the lock, runs the command, and releases the lock when the command has ended.\n\n" +
      "The command finds MUFAKAT_LOCK (the name), MUFAKAT_FENCING_TOKEN (larger than that of every earlier conflicting\n" +
      "grant: store it with what you write) and MUFAKAT_LOCK_SESSION (the secret id of the session) in its environment.\n\n" +
      "The lock lives by a session that is renewed every third of --ttl, through whichever node answers. When it could\n" +
      "not be renewed --grace before its end, or has ended, the command gets SIGTERM, and SIGKILL after --grace.\n" +
      "If this program is killed, the lock is free after --ttl at the latest; the command is then not stopped.\n\n" +
      "SIGINT, SIGTERM, SIGHUP and SIGQUIT are passed on. Without a terminal the command is a process group of its own,\n" +
      "and signals go to all of it.\n\n" +
      "Exit codes: that of the command (128 + n when signal n ended it), or\n" +
      "  64 the command line is wrong                  69 no node answered, or none has a leader\n" +
      "  74 the lock was not free within --wait        75 the lock was lost and the command stopped\n" +
      "  76 the cluster refused                        78 --url or MUFAKAT_URL is wrong\n" +
      "  126 the command cannot be executed            127 there is no such command\n" +
      "  128 + n signal n came before the command was started\n" +
      "What this program has to say itself goes to standard error and begins with mufakat:",
  },
  parameters: {
    positional: { kind: "tuple", parameters: [{ parse: String, brief: "Name of the lock", placeholder: "NAME" }] },
    flags: {
      shared: {
        kind: "boolean",
        default: false,
        brief: "Share the lock with others that share it",
        withNegated: false,
      },
      ttl: {
        kind: "parsed",
        parse: secondsBetween("--ttl", 1, 86_400),
        default: "30",
        brief: "After how long without us the lock is free",
        placeholder: "SECONDS",
      },
      wait: {
        kind: "parsed",
        parse: secondsBetween("--wait", 0, 999_999_999),
        optional: true,
        brief: "How long to wait for the lock; 0 does not wait (default: for ever)",
        placeholder: "SECONDS",
      },
      grace: {
        kind: "parsed",
        parse: secondsBetween("--grace", 0, 43_200),
        optional: true,
        brief: "From SIGTERM to SIGKILL when the lock is lost, up to half of --ttl (default 5, at most --ttl / 4)",
        placeholder: "SECONDS",
      },
      conflictExitCode: {
        kind: "parsed",
        parse: parseExitCode,
        optional: true,
        brief: "Exit with this code instead of 74 when the lock is not free within --wait",
        placeholder: "CODE",
      },
      url: urlsFlag,
    },
  },
  async func(flags, name) {
    this.process.exitCode = await lockRun(this, flags, name);
  },
});

async function lockRun(context: CliContext, flags: LockRunFlags, name: string): Promise<number> {
  const command = context.behindSeparator ?? [];
  const graceMs = flags.grace ?? Math.min(DEFAULT_GRACE_MS, flags.ttl / 4);
  if (graceMs > flags.ttl / 2) throw new CliError("usage", "--grace must be at most half of --ttl.");
  const client = new ClusterClient(nodeUrls(flags.url, context.environment));
  const signals = new Signals(context);
  try {
    const taken = await takeLock({
      client,
      path: lockPath(name),
      lockType: flags.shared ? "shared" : "exclusive",
      ttlMs: flags.ttl,
      graceMs,
      deadlineMs: flags.wait === undefined ? Number.POSITIVE_INFINITY : performance.now() + flags.wait,
      stepMs: limits.maxWaitMs,
      signal: signals.asked,
    });
    switch (taken.type) {
      case "granted":
        return await runHolding(context, taken, { name, command, graceMs, signals });
      case "held":
        say(context, describeHolders(name, taken.answer));
        return flags.conflictExitCode ?? exitCode.notAcquired;
      case "refused":
        say(context, `${name}: ${taken.sentence}`);
        return exitCode.refused;
      case "stopped":
        return signals.exitCode;
    }
  } catch (error) {
    if (!(error instanceof Unreachable)) throw error;
    say(context, `${name} was not acquired: ${error.message}`);
    return exitCode.unavailable;
  } finally {
    signals.end();
  }
}

interface RunOptions {
  readonly name: string;
  readonly command: readonly string[];
  readonly graceMs: number;
  readonly signals: Signals;
}

async function runHolding(
  context: CliContext,
  { keeper, fencingToken }: Granted,
  { name, command, graceMs, signals }: RunOptions,
): Promise<number> {
  let child: Child;
  try {
    // Between the grant and here: nothing has been started that would have to be told.
    if (signals.asked.aborted) {
      await keeper.close();
      return signals.exitCode;
    }
    child = new Child(context, command, {
      ...context.environment,
      MUFAKAT_LOCK: name,
      MUFAKAT_FENCING_TOKEN: String(fencingToken),
      MUFAKAT_LOCK_SESSION: keeper.id,
    });
  } catch (error) {
    await keeper.close();
    if (!(error instanceof NotStarted)) throw error;
    say(context, error.message);
    return error.code;
  }
  signals.passTo(child);
  const ended = child.ended();
  const first = await Promise.race([ended, keeper.lost]);
  const lostBecause = typeof first === "string" ? first : keeper.lostBecause;
  if (lostBecause !== undefined) {
    say(context, `${name} was lost: ${lostBecause}; stopping the command.`);
    await child.stop(graceMs);
    await keeper.close();
    return exitCode.lockLost;
  }
  const code = await ended;
  if (await keeper.close()) return code;
  // The machine slept, say: then time that this process did not see counts for the cluster.
  say(context, `${name} was lost before the command ended with ${code}.`);
  return exitCode.lockLost;
}

/** Stop signals: until the command runs they end the wait, from then on they are the command's. */
class Signals {
  private readonly controller = new AbortController();
  private child: Child | undefined;
  private first: StopSignal | undefined;
  readonly end: () => void;

  constructor(context: CliContext) {
    // nohup(1), and `&` in a script: who started us wants those to be ignored.
    const forwarded = FORWARDED.filter((signal) => !context.ignores(signal));
    this.end = context.signals.subscribe((signal) => {
      // What is typed at a terminal reaches the command without us; a second one would make it end at once.
      const isTyped = context.hasTerminal && (signal === "SIGINT" || signal === "SIGQUIT");
      if (this.child === undefined) {
        this.first ??= signal;
        this.controller.abort();
      } else if (!isTyped) this.child.send(signal);
    }, forwarded);
  }

  get asked(): AbortSignal {
    return this.controller.signal;
  }

  /** Of a run that a signal ended before its command was started. */
  get exitCode(): number {
    return signalExitCode(this.first ?? "SIGTERM");
  }

  passTo(child: Child): void {
    this.child = child;
  }
}

function say(context: CliContext, sentence: string): void {
  context.process.stderr.write(`mufakat: ${sentence}\n`);
}

function parseExitCode(input: string): number {
  if (/^\d{1,3}$/.test(input) && Number(input) <= 255) return Number(input);
  throw new StartError(`--conflict-exit-code must be a number from 0 to 255, not "${input}".`);
}
