import { readFileSync } from "node:fs";
import { constants } from "node:os";

/**
 * Whether this process ignores a signal, as it does from its start under nohup(1). JavaScript cannot ask; Linux says it in
 * /proc. Elsewhere: no.
 */
export function ignoresSignal(signal: NodeJS.Signals): boolean {
  let status: string;
  try {
    status = readFileSync("/proc/self/status", "utf8");
  } catch {
    return false;
  }
  return isIgnored(status, constants.signals[signal]);
}

/** @param status what /proc/PID/status says: the bit `number - 1` of `SigIgn` */
export function isIgnored(status: string, number: number): boolean {
  const mask = /^SigIgn:\s*([0-9a-f]{16})$/m.exec(status)?.[1] ?? "0";
  return ((BigInt(`0x${mask}`) >> BigInt(number - 1)) & 1n) === 1n;
}
