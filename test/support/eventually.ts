/**
 * Polls until `probe` gives something else than undefined or false.
 *
 * @throws when the deadline comes first, with `what` and the last error of the probe
 */
export async function eventually<Value>(
  probe: () => Promise<Value | undefined | false> | Value | undefined | false,
  options: { readonly deadlineMs?: number; readonly intervalMs?: number; readonly what: string | (() => string) },
): Promise<Value> {
  const deadlineMs = options.deadlineMs ?? 10_000;
  const start = performance.now();
  let lastError: unknown;
  while (performance.now() - start < deadlineMs) {
    try {
      const value = await probe();
      if (value !== undefined && value !== false) return value;
    } catch (error) {
      lastError = error;
    }
    await Bun.sleep(options.intervalMs ?? 20);
  }
  const what = typeof options.what === "string" ? options.what : options.what();
  throw new Error(`not within ${deadlineMs} ms: ${what}`, { cause: lastError });
}
