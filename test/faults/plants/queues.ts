import { ShardMirrors } from "../../../src/engine/shard-mirrors.ts";
import type { StateMachine } from "../../../src/engine/state-machine.ts";
import { decodeCommand, encodeCommand } from "../../../src/queue/codec.ts";
import type { QueueCommand, QueueResult } from "../../../src/queue/commands.ts";
import { Deadlines } from "../../../src/queue/deadlines.ts";
import { comeBack } from "../../../src/queue/messages.ts";
import { PagedList } from "../../../src/queue/paged-list.ts";
import type { QueueMachine } from "../../../src/queue/queue-machine.ts";
import type { QueueState } from "../../../src/queue/state.ts";
import { withApply } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** What the queues promise (PROTOCOLS U1–U3), and how shards move (R6). All nodes have the same fault: only what is promised tells. */
export const queuePlants: Plants = {
  "ack-of-any-attempt": {
    queues: true,
    rules: ["U1"],
    breaks: "a receipt counts though its attempt has ended, if the message is out to somebody else",
    check: "U1 no stale receipt is good",
    queueMachine: (machine) =>
      rewriting(machine, (command, state) => {
        if (command.type !== "settle") return command;
        const receipts = command.receipts.map((receipt) => {
          const { attempt, nonce } = state.inFlight.get(receipt.message) ?? receipt;
          return { message: receipt.message, attempt, nonce };
        });
        return { ...command, receipts };
      }),
  },
  "receipts-void-with-leader": {
    queues: true,
    rules: ["U1"],
    breaks: "what is out comes back when another leader begins: delivery state is not taken over",
    check: "U1 what is out is not delivered again before its time",
    queueMachine: (machine) =>
      atNoop(machine, (state) => {
        for (const message of [...state.inFlight.values()]) comeBack(state, message, 0);
      }),
  },
  "returns-lost-with-leader": {
    queues: true,
    rules: ["U1", "T1"],
    breaks: "when another leader begins, nothing that is out comes back by time any more",
    check: "liveness",
    queueMachine: (machine) =>
      atNoop(machine, (state) => {
        for (const message of state.inFlight.values()) state.deadlines.cancel(message);
      }),
  },
  "attempts-begin-again": {
    queues: true,
    rules: ["U1"],
    breaks: "a message whose time was over is delivered as its first attempt",
    check: "U1 attempts rise",
    patches: [
      patch(Deadlines.prototype, Deadlines.prototype.popDue, (original) => {
        return function popDue(nowMs) {
          const due = original.call(this, nowMs);
          if (due?.kind === "message") due.attempt = 0;
          return due;
        };
      }),
    ],
  },
  "early-return": {
    queues: true,
    rules: ["U1", "T2"],
    breaks: "a delivery's time is over at half of it",
    check: "U1 what is out is not delivered again before its time",
    patches: [
      patch(Deadlines.prototype, Deadlines.prototype.popDue, (original) => {
        return function popDue(nowMs) {
          return original.call(this, nowMs + 60);
        };
      }),
    ],
  },
  "group-side-by-side": {
    queues: true,
    rules: ["U1"],
    breaks: "two messages of one group are out at once",
    check: "U1 of a group one message is out",
    queueMachine: (machine) =>
      rewriting(machine, (command) => {
        if (command.type !== "publish") return command;
        return { ...command, messages: command.messages.map((each) => ({ ...each, groupKey: undefined })) };
      }),
  },
  "dedupe-lost-in-snapshot": {
    queues: true,
    rules: ["U1", "D8"],
    breaks: "a state that comes in a snapshot knows no dedupe ids",
    check: "dedupe yields one",
    comparesNothing: true,
    queueMachine: (machine) =>
      afterRestore(machine, ({ queues }) => {
        for (const queue of queues.ordered()) queue.dedupe.clear();
      }),
  },
  "returned-lost-in-snapshot": {
    queues: true,
    rules: ["U1", "D8"],
    breaks: "a state that comes in a snapshot lacks the messages that had come back",
    check: "U1 what was confirmed is never lost",
    comparesNothing: true,
    patches: [
      patch(PagedList.prototype, PagedList.prototype.restore, () => {
        return function restore() {};
      }),
    ],
  },
  "leaves-before-hand-over": {
    queues: true,
    rules: ["R6"],
    breaks: "a node leaves the cluster while shards still count on it",
    check: "R6 who leaves the cluster has left every shard",
    patches: [
      patch(ShardMirrors.prototype, ShardMirrors.prototype.areWithout, () => {
        return function areWithout() {
          return true;
        };
      }),
    ],
  },
};

type Machine = StateMachine<QueueResult>;

/** Carries out another command than the log has. */
function rewriting(
  machine: QueueMachine,
  rewrite: (command: QueueCommand, state: QueueState) => QueueCommand,
): Machine {
  return withApply<QueueResult>(machine, (entry, emit) => {
    if (entry.kind !== "command") {
      machine.apply(entry, emit);
      return;
    }
    const envelope = decodeCommand(entry.payload);
    const command = rewrite(envelope.command, machine["state"]);
    machine.apply({ ...entry, payload: encodeCommand({ ...envelope, command }) }, emit);
  });
}

/** Does something when another leader begins. */
function atNoop(machine: QueueMachine, work: (state: QueueState) => void): Machine {
  return withApply<QueueResult>(machine, (entry, emit) => {
    machine.apply(entry, emit);
    if (entry.kind === "noop") work(machine["state"]);
  });
}

function afterRestore(machine: QueueMachine, work: (state: QueueState) => void): Machine {
  return Object.assign(
    withApply<QueueResult>(machine, (entry, emit) => machine.apply(entry, emit)),
    {
      restore: () => {
        const restoration = machine.restore();
        return {
          take: (bytes: Uint8Array) => restoration.take(bytes),
          finish: () => {
            restoration.finish();
            work(machine["state"]);
          },
        };
      },
    },
  );
}
