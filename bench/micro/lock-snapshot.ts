import { bench, do_not_optimize, run } from "mitata";
import { limits } from "../../src/kernel/limits.ts";
import { encodeCommand } from "../../src/locks/codec.ts";
import { LockMachine } from "../../src/locks/lock-machine.ts";
import type { LockCommand, Principal } from "../../src/locks/types.ts";

/** What it takes to write and to restore the state of very many locks, as a whole and at most at a time (PROTOCOLS D10). */

const LOCKS = 200_000;
const SESSIONS = 20_000;
const PIECE_BYTES = limits.maxSnapshotChunkBytes / 4;

function loaded(): LockMachine {
  const machine = new LockMachine();
  let index = 0;
  const apply = (command: LockCommand): void => {
    const sequence = ++index;
    const payload = encodeCommand({ ingress: 2 ** 50, sequence, floor: sequence, idempotencyKey: undefined, command });
    machine.apply({ index, kind: "command", leaseTimeMs: 1_000_000_000, payload }, () => {});
  };
  const sessionOf = (i: number): string => `session-${((i % SESSIONS) * 7_919).toString(36)}-abcdefghijkl`;
  apply({ type: "registerIngress", node: "node1" });
  for (let i = 0; i < SESSIONS; i++) apply({ type: "openSession", session: sessionOf(i), ttlMs: 30_000 });
  for (let i = 0; i < LOCKS; i++) {
    const kinds: Principal[] = [
      { kind: "session", id: sessionOf(i) },
      { kind: "session", id: sessionOf(i) },
      { kind: "owner", name: `worker-${i % 50_000}` },
      { kind: "once", id: `once-${i}-abcdefghijkl`, node: "node1" },
    ];
    const principal = kinds[i % kinds.length] as Principal;
    const ttlMs = principal.kind === "session" ? 0 : 30_000;
    const mode = i % 3 === 0 ? "shared" : "exclusive";
    apply({ type: "acquire", lock: `tenant-${i % 977}/orders/${i}`, mode, principal, ttlMs, waitMs: 0 });
  }
  return machine;
}

/** How long each step takes, in ms, longest first. */
class Steps {
  private readonly durationsMs: number[] = [];

  time<Value>(work: () => Value): Value {
    const startMs = performance.now();
    const value = work();
    this.durationsMs.push(performance.now() - startMs);
    return value;
  }

  told(): string {
    const sorted = this.durationsMs.toSorted((a, b) => b - a);
    const totalMs = sorted.reduce((sum, durationMs) => sum + durationMs, 0);
    const [longest = 0] = sorted;
    const [median = 0, p99 = 0] = [sorted[sorted.length >> 1], sorted[Math.floor(sorted.length / 100)]];
    const each = `median ${median.toFixed(1)}, p99 ${p99.toFixed(1)}, longest ${longest.toFixed(1)} ms`;
    return `${totalMs.toFixed(0)} ms in ${sorted.length} steps: ${each}`;
  }
}

function write(machine: LockMachine, steps: Steps): Buffer {
  const pieces: Uint8Array[] = [];
  const content = machine.snapshot()[Symbol.iterator]();
  for (let next = steps.time(() => content.next()); next.done !== true; next = steps.time(() => content.next())) {
    pieces.push(next.value);
  }
  return Buffer.concat(pieces);
}

function restore(content: Uint8Array, steps: Steps): LockMachine {
  const machine = new LockMachine();
  const restoration = machine.restore();
  for (let at = 0; at < content.length; at += PIECE_BYTES) {
    steps.time(() => restoration.take(content.subarray(at, at + PIECE_BYTES)));
  }
  steps.time(() => restoration.finish());
  return machine;
}

const machine = loaded();
const content = write(machine, new Steps());

bench(`write ${LOCKS} locks, ${SESSIONS} sessions`, () => do_not_optimize(write(machine, new Steps())));
bench(`restore ${LOCKS} locks, ${SESSIONS} sessions`, () => do_not_optimize(restore(content, new Steps())));
await run();

const [writing, restoring] = [new Steps(), new Steps()];
write(machine, writing);
restore(content, restoring);
console.log(`${LOCKS} locks and ${SESSIONS} sessions are ${content.length} bytes`);
console.log(`written: ${writing.told()}\nrestored in pieces of ${PIECE_BYTES} bytes: ${restoring.told()}`);
