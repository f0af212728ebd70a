import { textFlag } from "../text-flag.ts";

export const queueParameter = { parse: String, brief: "Name of the queue", placeholder: "QUEUE" } as const;

/** Of messages, in what `publish` and `schedule set` have in common; the node judges what they hold. */
export const messageFlags = {
  delay: textFlag("Do not deliver before so many seconds are over", "SECONDS"),
  priority: textFlag("0 to 9; larger goes first (default 0)", "N"),
  group: textFlag("Deliver messages of this group one after the other", "KEY"),
  expires: textFlag("Dead-letter what nobody took in so many seconds", "SECONDS"),
};

export interface MessageFlags {
  readonly delay?: string;
  readonly priority?: string;
  readonly group?: string;
  readonly expires?: string;
}

export function switchFlag(brief: string) {
  return { kind: "boolean", default: false, withNegated: false, brief } as const;
}
