import { OperationWindow } from "../kernel/operation-window.ts";
import type { Hold, Wait } from "./records.ts";
import type { PermitHold } from "./semaphores.ts";
import type { LockResult } from "./types.ts";

/** One process that takes requests in, and what became of its operations (PROTOCOLS Q1). */
export class Ingress {
  readonly window = new OperationWindow<LockResult>();
  /** Operations without a result yet. They stay when the floor passes them: "seen applied" is not "answered". */
  readonly waiting = new Map<number, Wait>();
  /** Holds by the operation that they were last answered to, for a cancel that comes after the floor has passed. */
  readonly granted = new Map<number, Hold | Set<Hold> | PermitHold>();

  constructor(
    readonly id: number,
    readonly node: string,
  ) {}
}
