/** What the process says to its caller when it ends. After sysexits.h where that has a number for it. */
export const exitCode = {
  ok: 0,
  /** The command ran, and its answer is no: no leader, not healthy, the node failed. */
  failure: 1,
  /** `status`: nobody answered. */
  unreachable: 2,
  /** EX_USAGE: an unknown command or flag. */
  usage: 64,
  /** EX_UNAVAILABLE: `lock run` reached no node, or none with a leader, and started nothing. */
  unavailable: 69,
  /** `lock run`: somebody else holds the lock, and --wait is over. */
  notAcquired: 74,
  /** `lock run`: the lock was lost while the command ran; the command was stopped. */
  lockLost: 75,
  /** EX_CONFIG: a start that cannot be. A supervisor must not try again. */
  configuration: 78,
  /** As shells do: the command of `lock run` cannot be executed, or there is no such command. */
  cannotExecute: 126,
  commandNotFound: 127,
  /** As shells do, with the signal's number added: `lock run` or its command was ended by a signal. */
  signalled: 128,
} as const;
