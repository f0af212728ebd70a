import { SingleBar } from "cli-progress";
import type { Progress } from "../server/succession/found-cluster.ts";
import type { CliStream } from "./context.ts";

export interface ProgressBar {
  readonly update: Progress;
  /** Nothing of it is left on the terminal. */
  end(): void;
}

/** What the numbers count. */
export type ProgressUnit = "bytes" | "entries";

/**
 * How far a long command has come: on a terminal, and nowhere else.
 *
 * @param isTotalKnown otherwise only how much is done
 */
export function progressBar(stream: CliStream, unit: ProgressUnit, isTotalKnown = true): ProgressBar {
  if (stream.isTTY !== true) return { update: () => {}, end: () => {} };
  const bar = new SingleBar({
    // Sound: it writes to the stream and moves the cursor, and looks at nothing else of a terminal.
    stream: stream as unknown as NodeJS.WritableStream,
    format: isTotalKnown ? "{step} {bar} {percentage}% {amount}" : "{step} {amount}",
    hideCursor: true,
    clearOnComplete: true,
    barsize: 30,
    fps: 10,
  });
  let isRunning = false;
  return {
    update: (step, done, total) => {
      const amount = unit === "bytes" || step === "writing" ? megabytes(done) : `${done} entries`;
      if (!isRunning) bar.start(total, done, { step, amount });
      isRunning = true;
      bar.setTotal(total);
      bar.update(done, { step, amount });
    },
    end: () => {
      if (isRunning) bar.stop();
      isRunning = false;
    },
  };
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}
