/**
 * Runs `cleanUp` when the process ends, if the returned function has not run it before: an interrupted benchmark leaves no
 * nodes, files and namespaces behind. `cleanUp` must be synchronous.
 */
export function onExit(cleanUp: () => void): () => void {
  const once = (): void => {
    process.off("exit", once);
    cleanUp();
  };
  process.on("exit", once);
  return once;
}

/** Ctrl-C and SIGTERM become an exit, so that the above runs. */
export function exitOnSignals(): void {
  process.once("SIGINT", () => process.exit(130));
  process.once("SIGTERM", () => process.exit(143));
}
