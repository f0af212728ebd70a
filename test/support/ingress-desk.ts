import { Ingress, type OperationOptions, type Tried } from "../../src/engine/ingress.ts";
import type { ForwardedProposal, ProposalRefusal } from "../../src/engine/peer-messages.ts";

interface Envelope {
  readonly sequence: number;
  readonly floor: number;
  readonly command: string;
}

/** What happens to one submitted operation. */
interface Ticket {
  readonly sequence: number | undefined;
  readonly ends: string[];
}

/** An ingress, the leader that it speaks to, and time. */
export class Desk {
  nowMs = 0;
  /** Everything proposed, decoded, in order. */
  readonly proposed: (Envelope & { attempt: number; reserved: boolean })[] = [];
  answer: Tried = "sent";
  readonly ingress = new Ingress<string, string>(77, {
    encode: (envelope) => new TextEncoder().encode(JSON.stringify(envelope)),
    register: "register",
    cancel: (_ingress, sequence) => `cancel ${sequence}`,
    isStale: (result) => result === "stale",
  });

  submit(command: string, options: OperationOptions = {}): Ticket {
    const ends: string[] = [];
    const sequence = this.ingress.submit(command, this.nowMs, options, (end) => {
      ends.push("result" in end ? end.result : end.failure);
    });
    return { sequence, ends };
  }

  /** @returns the commands that went out */
  pump(): string[] {
    const before = this.proposed.length;
    this.ingress.pump(this.nowMs, (operation: ForwardedProposal) => {
      const envelope = JSON.parse(new TextDecoder().decode(operation.payload)) as Envelope;
      this.proposed.push({ ...envelope, attempt: operation.attempt, reserved: operation.reserved });
      return this.answer;
    });
    return this.proposed.slice(before).map(({ command }) => command);
  }

  apply(sequence: number | undefined, result?: string): void {
    this.ingress.outcome(sequence ?? 0, result);
  }

  register(): void {
    this.pump();
    this.apply(this.proposed.at(-1)?.sequence, "registered");
  }

  /** Time goes on; there is a leader unless the caller says otherwise. */
  pass(ms: number, options: { leader: boolean } = { leader: true }): void {
    for (const endMs = this.nowMs + ms; this.nowMs < endMs;) {
      this.nowMs += 10;
      this.ingress.sweep(this.nowMs);
      if (options.leader) this.pump();
    }
  }

  refuse(reason: ProposalRefusal, attempts = this.proposed.slice(-1)): void {
    this.ingress.refused(attempts, reason, this.nowMs);
  }
}

export function registeredDesk(): Desk {
  const desk = new Desk();
  desk.register();
  return desk;
}
