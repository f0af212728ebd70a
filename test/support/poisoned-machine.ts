/**
 * Loaded before the program (`bun --preload`): its state machine cannot apply an acquire of the lock `poison`, so that the
 * program itself needs no switch for it. POISON_ENDS_BY: `throw` as a broken invariant does, `kill` as the kernel does.
 */
import { decodeCommand } from "../../src/locks/codec.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";

/** Stands for `this` of the machine's own `apply`. */
type Apply = (this: LockMachine, ...parameters: Parameters<LockMachine["apply"]>) => void;
const apply = Reflect.get(LockMachine.prototype, "apply") as Apply;

LockMachine.prototype.apply = function poisoned(entry, emit): void {
  apply.call(this, entry, emit);
  if (entry.kind !== "command") return;
  const { command } = decodeCommand(entry.payload);
  if (command.type !== "acquire" || command.lock !== "poison") return;
  if (process.env["POISON_ENDS_BY"] === "kill") process.kill(process.pid, "SIGKILL");
  throw new Error("this lock is poison");
};
