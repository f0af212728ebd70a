import { GroupHost } from "../../../src/engine/group-host.ts";
import { Ingress } from "../../../src/engine/ingress.ts";
import { OperationWindow } from "../../../src/kernel/operation-window.ts";
import { decodeCommand, encodeCommand } from "../../../src/locks/codec.ts";
import { IdempotencyKeys } from "../../../src/locks/idempotency.ts";
import { Ingresses } from "../../../src/kernel/ingresses.ts";
import { Workload } from "../../../src/sim/workload.ts";
import { lateCopies } from "../late-copies.ts";
import { executingTwice } from "../machines.ts";
import { patch } from "../patch.ts";
import type { Plants } from "../plant.ts";

/** What becomes of a request, and what its client is told (PROTOCOLS Q1, Q2, D3). */
export const requestPlants: Plants = {
  "replies-before-apply": {
    rules: ["D3"],
    breaks: "a fence is answered when its request is sent to the leader",
    check: "an answer is what the log says",
    patches: [
      patch(Ingress.prototype, Ingress.prototype["offer"], (original) => {
        return function offer(operation, nowMs, propose) {
          original.call(this, operation, nowMs, propose);
          const { command } = decodeCommand(operation.payload);
          if (command.type !== "fence" || operation.open.length === 0) return;
          this["forget"](operation);
          operation.settle?.({ result: { type: "fenceAccepted", highest: command.token } });
        };
      }),
    ],
  },
  "forgets-operations": {
    rules: ["Q1"],
    breaks: "an operation that is proposed twice is executed twice",
    check: "R8 equal states have equal hashes",
    classic: "retried request applied twice",
    machine: (machine) => executingTwice(machine),
  },
  "late-copies": {
    rules: ["Q1"],
    breaks: "a proposal comes into the log once more, long after it was answered or its node had another process",
    patches: [lateCopies()],
    harmless: true,
  },
  "forgets-window": {
    rules: ["Q1"],
    breaks: "an operation below the window is executed, where copies come late",
    check: "Q1 an operation has one result",
    patches: [
      lateCopies(),
      patch(OperationWindow.prototype, OperationWindow.prototype.classify, (original) => {
        return function classify(sequence, proposedFloor, width) {
          const verdict = original.call(this, sequence, proposedFloor, width);
          return verdict === "stale" ? "new" : verdict;
        };
      }),
    ],
  },
  "forgets-keys": {
    rules: ["Q1"],
    breaks: "a retry under the same key is executed anew",
    check: "Q1 a retry gets the first result",
    classic: "retried request applied twice",
    patches: [patch(IdempotencyKeys.prototype, IdempotencyKeys.prototype.find, () => () => undefined)],
  },
  "hears-the-retired": {
    rules: ["Q1"],
    breaks: "operations of a process that has given way are executed, where copies come late",
    check: "Q1 operations of an unknown process are refused",
    patches: [
      lateCopies(),
      patch(Ingresses.prototype, Ingresses.prototype.find, (original) => {
        return function find(id) {
          const known = original.call(this, id);
          if (known !== undefined) return known;
          for (const { retired } of this.values()) for (const ingress of retired) if (ingress.id === id) return ingress;
          return undefined;
        };
      }),
    ],
  },
  "new-id-for-each-try": {
    rules: ["Q1"],
    breaks: "a node proposes an operation again under another id",
    check: "an answer is what the log says",
    patches: [
      patch(Ingress.prototype, Ingress.prototype.repropose, (original) => {
        return function repropose() {
          for (const operation of [...this["outstanding"].values()]) {
            const { sequence } = operation;
            if (sequence === this["registering"]) continue;
            this["outstanding"].delete(sequence);
            const envelope = { ...decodeCommand(operation.payload), sequence: this["nextSequence"]++ };
            const again = { ...operation, sequence: envelope.sequence, payload: encodeCommand(envelope) };
            this["outstanding"].set(again.sequence, again);
          }
          original.call(this);
        };
      }),
    ],
  },
  "guessed-refusal": {
    rules: ["Q2"],
    breaks: "an unknown outcome is reported as a refusal",
    check: "Q2 a refusal is definite",
    patches: [
      patch(Workload.prototype, Workload.prototype["unknown"], (original) => {
        return function unknown(attempt) {
          this["refused"](attempt);
          original.call(this, attempt);
        };
      }),
    ],
  },
  "no-leader-after-sending": {
    rules: ["Q2"],
    breaks: "a request that may be in a log is said to have met no leader",
    check: "Q2 a refusal is definite",
    patches: [
      patch(Ingress.prototype, Ingress.prototype["expire"], (original) => {
        return function expire(operation, nowMs) {
          operation.open.length = 0;
          original.call(this, operation, nowMs);
        };
      }),
    ],
  },
  "takes-what-it-refused": {
    rules: ["Q2"],
    breaks: "a second copy of a proposal, which comes late, is taken after the first was refused",
    check: "Q2 a refusal is definite",
    patches: [
      patch(GroupHost.prototype, GroupHost.prototype["proposeForwarded"], (original) => {
        let before: { readonly host: object; readonly again: () => void } | undefined;
        return function proposeForwarded(peer, proposals) {
          if (before?.host === this) before.again();
          const propose = (): void => {
            this["attempts"].clear();
            original.call(this, peer, proposals);
          };
          before = { host: this, again: propose };
          propose();
        };
      }),
    ],
  },
};
