/** What the process says to its caller when it ends. After sysexits.h where that has a number for it. */
export const exitCode = {
  ok: 0,
  /** The command ran, and its answer is no: no leader, not healthy, the node failed. */
  failure: 1,
  /** `status`: nobody answered. */
  unreachable: 2,
  /** EX_USAGE: an unknown command or flag. */
  usage: 64,
  /** EX_CONFIG: a start that cannot be. A supervisor must not try again. */
  configuration: 78,
} as const;
