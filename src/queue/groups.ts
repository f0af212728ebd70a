import { LinkedList } from "../kernel/linked-list.ts";
import type { Message } from "./records.ts";

/** Messages of one key: one of them at a time is to be had, in flight or on its way back; the others wait behind it. */
export class Group {
  /** Undefined: only while a step looks for the next. */
  head: Message | undefined = undefined;
  /** In the order in which they became ready. */
  waiting = new LinkedList<Message>();

  constructor(readonly key: string) {}
}
