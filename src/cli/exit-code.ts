/**
 * What the process says to its caller when it ends; docs/cli.md has the same table. Numbers are those of sysexits.h where
 * it has one for the case, and of shells for a command that another one runs.
 */
export const exitCode = {
  ok: 0,
  /** The answer is no: no leader, not healthy, a refused request, a node that could not go on. */
  failure: 1,
  /** EX_USAGE: the command line is wrong. */
  usage: 64,
  /** EX_DATAERR: a backup is damaged, or of another version; what is to be published is not JSON. */
  badData: 65,
  /** EX_UNAVAILABLE: no node answered, or none with a leader. */
  unavailable: 69,
  /** EX_SOFTWARE: a defect of this program. */
  defect: 70,
  /** `lock run`: somebody else holds the lock, and --wait is over. */
  notAcquired: 74,
  /** `lock run`: the lock was lost while the command ran; the command was stopped. */
  lockLost: 75,
  /** EX_PROTOCOL: `lock run` was refused by the cluster. Not 1, which commands use themselves. */
  refused: 76,
  /** EX_CONFIG: a setting must be changed first. A supervisor must not try again. */
  configuration: 78,
  /** As shells do: the command of `lock run` cannot be executed, or there is no such command. */
  cannotExecute: 126,
  commandNotFound: 127,
  /** As shells do, with the signal's number added: `lock run` or its command was ended by a signal. */
  signalled: 128,
} as const;
