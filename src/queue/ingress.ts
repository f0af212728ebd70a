import { OperationWindow } from "../kernel/operation-window.ts";
import type { QueueResult } from "./commands.ts";
import type { Receiver, Taking } from "./records.ts";

/** One process that takes requests in, and what became of its operations (PROTOCOLS Q1). */
export class Ingress {
  readonly window = new OperationWindow<QueueResult>();
  /** By sequence. They stay when the floor passes them: "seen applied" is not "answered". */
  readonly waiting = new Map<number, Receiver>();
  /** By sequence, as long as any message of it is in flight. */
  readonly takings = new Map<number, Taking>();

  constructor(
    readonly id: number,
    readonly node: string,
  ) {}
}
