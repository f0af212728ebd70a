/** Loaded before the program (`bun --preload`): its state machine loses the effect of an acquire of the lock `lost`. */
import { decodeCommand } from "../../src/locks/codec.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";

/** Stands for `this` of the machine's own `apply`. */
type Apply = (this: LockMachine, ...parameters: Parameters<LockMachine["apply"]>) => void;
const apply = Reflect.get(LockMachine.prototype, "apply") as Apply;

LockMachine.prototype.apply = function forgetful(entry, emit): void {
  const command = entry.kind === "command" ? decodeCommand(entry.payload).command : undefined;
  const isLost = command?.type === "acquire" && command.lock === "lost";
  apply.call(this, isLost ? { ...entry, kind: "noop" } : entry, emit);
};
