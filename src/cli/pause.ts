/** Resolves after so long, or as soon as the signal aborts. A wait beyond the longest timer there is never ends by itself. */
export function pause(ms: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted === true) return Promise.resolve();
  const timer = ms <= MAX_TIMER_MS ? setTimeout(resolve, Math.max(0, ms)) : undefined;
  const aborted = (): void => resolve();
  signal?.addEventListener("abort", aborted, { once: true });
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
  });
}

const MAX_TIMER_MS = 2 ** 31 - 1;
