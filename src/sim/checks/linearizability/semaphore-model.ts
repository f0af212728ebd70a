import { unreachable } from "../../../kernel/assert.ts";
import { ms } from "./lock-model.ts";
import { isAnonymousOf, isDue } from "./lock-state.ts";
import type { SessionEnd } from "./lock-operation.ts";
import type { Model } from "./model.ts";
import { grant, grantUnknown } from "./semaphore-grants.ts";
import type { PermitRelease, SemaphoreInput, SemaphoreOperation, SemaphoreOutput } from "./semaphore-operation.ts";
import { shownBy } from "./semaphore-reads.ts";
import { refuse } from "./semaphore-refusals.ts";
import { holdOf, neverHeld, type PermitHeld, type SemaphoreState, without } from "./semaphore-state.ts";

/**
 * One semaphore with leases, and tokens by slot (PROTOCOLS L1, L2, L5). Leases end as in the model of a lock.
 *
 * Left out: the queue (who waits, and in which order), why a deadlock is one, which of several holds of one node an anonymous
 * release ends, to whom a release gave permits, and which slots a grant has that nobody heard of.
 */
export const semaphoreModel: Model<SemaphoreState, SemaphoreInput, SemaphoreOutput> = {
  initial: neverHeld,
  step(state, { input, output }, nowUs) {
    switch (input.type) {
      case "acquirePermits":
        if (output === undefined) return grantUnknown(state, input, nowUs);
        if (output.type === "permitsGranted") return grant(state, input, output, nowUs);
        break;
      case "releasePermits":
        if (output === undefined || output.type === "done") return released(state, input);
        break;
      case "endSession":
        if (output === undefined) return ended(state, input, undefined, nowUs);
        if (output.type === "ended") return ended(state, input, output.held, nowUs);
        break;
      case "readPermits":
        return output?.type === "permitsShown" ? shownBy(state, output, nowUs) : [];
      default:
        return unreachable(input);
    }
    return output.type === "refused" ? refuse(state, input, output, nowUs) : [];
  },
  key({ limit, highest, holds }, nowUs) {
    let key = `${limit} ${highest.join()}`;
    for (const hold of holds) {
      const until = isDue(hold, nowUs) ? "due" : hold.untilUs;
      key += ` ${hold.principal}@${until}:${hold.slots?.join() ?? `any ${hold.permits}`}/${hold.token}`;
    }
    return key;
  },
  observes: ({ output }) => output?.type === "refused" || output?.type === "permitsShown",
  show({ limit, highest, holds }) {
    if (holds.length === 0) return `free, highest tokens by slot ${highest.join()}`;
    return `limit ${limit}: ${holds.map(shown).join("; ")}`;
  },
  tell: (operation) => `${asked(operation.input)}: ${answered(operation)}`,
};

function released(state: SemaphoreState, { principal, token, shown: name }: PermitRelease): readonly SemaphoreState[] {
  const isMeant = ({ token: known }: PermitHeld): boolean => token === undefined || (known ?? token) === token;
  const own =
    principal === undefined
      ? state.holds.filter((hold) => isAnonymousOf(hold, name))
      : state.holds.filter((hold) => hold.principal === principal);
  return own.filter(isMeant).map((hold) => without(state, hold));
}

function ended(
  state: SemaphoreState,
  { principal }: SessionEnd,
  held: boolean | undefined,
  nowUs: number,
): readonly SemaphoreState[] {
  const hold = holdOf(state, principal);
  if (hold === undefined) return held === true ? [] : [state];
  return held === false && !isDue(hold, nowUs) ? [] : [without(state, hold)];
}

function asked(input: SemaphoreInput): string {
  switch (input.type) {
    case "readPermits":
      return "a read";
    case "acquirePermits":
      return `${input.principal} acquires ${input.permits} of ${input.limit}, at least until ${ms(input.untilUs)}`;
    case "releasePermits":
      return `${input.principal ?? input.shown} releases ${input.token ?? "whatever it holds"}`;
    case "endSession":
      return `${input.principal} ends`;
    default:
      return unreachable(input);
  }
}

function answered({ output }: SemaphoreOperation): string {
  if (output === undefined) return "unknown outcome";
  switch (output.type) {
    case "permitsGranted":
      return `granted ${output.slots.join()} of ${output.limit}, token ${output.token}`;
    case "refused":
      return [output.code, output.highest ?? output.limit ?? output.permits ?? []].flat().join(" ");
    case "permitsShown":
      if (output.holders.length === 0) return "free";
      return output.holders.map(({ owner, slots, token }) => `${slots.join()} by ${owner}, token ${token}`).join("; ");
    default:
      return output.type;
  }
}

function shown({ principal, permits, slots, token, untilUs }: PermitHeld): string {
  const what = slots === undefined ? `some ${permits}` : slots.join();
  return `${what} by ${principal}, token ${token ?? "unknown"}, until ${ms(untilUs)} at least`;
}
