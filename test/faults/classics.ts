/** Bugs that systems like this one have had. Each is planted, or `unplanted.ts` says why it is not. */
export const classics = [
  "term and vote written apart",
  "vote forgotten on a step-down within the term",
  "stale vote replies counted",
  "commit of an old term's entry by counting",
  "matching or committed suffix truncated",
  "rejoin disrupts a healthy leader",
  "single-server membership change, 2015",
  "removed leader counts itself",
  "snapshot races snapshot",
  "gap after install",
  "lease read under a pause",
  "retried request applied twice",
  "memory unbounded without a quorum",
  "state depends on the order of a map, time or chance",
  "torn tail and corruption confused",
  "fsync error taken for one to retry",
  "directory not synced, renamed too early",
  "corruption spreads from a bad leader",
] as const;
export type Classic = (typeof classics)[number];
