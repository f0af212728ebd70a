import { limits } from "../kernel/limits.ts";
import type { QueueSettings } from "./types.ts";

/** What holds for a queue of which nothing was set. */
export const DEFAULT_SETTINGS: QueueSettings = {
  visibilityMs: 30_000,
  maxDeliveries: 5,
  backoffMs: 1_000,
  maxBackoffMs: 300_000,
  dedupeWindowMs: 300_000,
  maxInFlight: 0,
  rateLimit: 0,
  rateIntervalMs: 1_000,
  expiresMs: 0,
};

/** What each may be: from the first to the second, inclusive. */
export const SETTING_RANGES: Readonly<Record<keyof QueueSettings, readonly [min: number, max: number]>> = {
  visibilityMs: [limits.minVisibilityMs, limits.maxVisibilityMs],
  maxDeliveries: [0, limits.maxDeliveries],
  backoffMs: [0, limits.maxBackoffMs],
  maxBackoffMs: [0, limits.maxBackoffMs],
  dedupeWindowMs: [0, limits.maxDedupeWindowMs],
  maxInFlight: [0, limits.maxInFlight],
  rateLimit: [0, limits.maxRate],
  rateIntervalMs: [1, limits.maxRateIntervalMs],
  expiresMs: [0, limits.maxExpiresMs],
};

/** In the order in which they are written. */
export const SETTING_NAMES = Object.keys(DEFAULT_SETTINGS) as readonly (keyof QueueSettings)[];

export function isDefault(settings: QueueSettings): boolean {
  return SETTING_NAMES.every((name) => settings[name] === DEFAULT_SETTINGS[name]);
}
