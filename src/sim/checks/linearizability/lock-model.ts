import { unreachable } from "../../../kernel/assert.ts";
import { grant, grantUnknown } from "./lock-grants.ts";
import { shownBy } from "./lock-reads.ts";
import type { LockInput, LockOperation, LockOutput, LockRelease, SessionEnd } from "./lock-operation.ts";
import { refuse } from "./lock-refusals.ts";
import { holdOf, isAnonymousOf, isDue, type LockState, neverHeld, without, withToken } from "./lock-state.ts";
import type { Model } from "./model.ts";

/**
 * One lock with leases and tokens (PROTOCOLS L1, L2, L5), as those that ask and read see it. A hold may end by itself at any time from
 * the end of its lease on. So one that is due is taken to stand until an answer denies it: that forbids nothing that an
 * earlier end would allow.
 *
 * Left out: the queue (who waits, and in which order), why a deadlock is one, which of several holds of one node an
 * anonymous release ends, and to whom a release gave the lock.
 */
export const lockModel: Model<LockState, LockInput, LockOutput> = {
  initial: neverHeld,
  step(state, { input, output }, nowUs) {
    switch (input.type) {
      case "acquire":
        if (output === undefined) return grantUnknown(state, input, nowUs);
        if (output.type === "granted") return grant(state, input, output, nowUs);
        break;
      case "release":
        if (output === undefined || output.type === "done") return released(state, input);
        break;
      case "endSession":
        if (output === undefined) return ended(state, input, undefined, nowUs);
        if (output.type === "ended") return ended(state, input, output.held, nowUs);
        break;
      case "read":
        return output?.type === "shown" ? shownBy(state, output, nowUs) : [];
      default:
        return unreachable(input);
    }
    return output.type === "refused" ? refuse(state, input, output.code, output.highest, nowUs) : [];
  },
  key({ mode, token, highest, holds }, nowUs) {
    let key = `${mode} ${token} ${highest}`;
    for (const hold of holds) key += ` ${hold.principal}@${isDue(hold, nowUs) ? "due" : hold.untilUs}`;
    return key;
  },
  observes: ({ output }) => output?.type === "refused" || output?.type === "shown",
  show({ mode, token, highest, holds }) {
    if (mode === undefined) return `free, highest token ${highest}`;
    const held = holds.map(({ principal, untilUs }) => `${principal} until ${ms(untilUs)} at least`);
    return `${mode}, token ${token ?? `above ${highest}`}: ${held.join(", ")}`;
  },
  tell: (operation) => `${asked(operation.input)}: ${answered(operation)}`,
};

function released(state: LockState, { principal, token, shown }: LockRelease): readonly LockState[] {
  const named = token === undefined ? state : withToken(state, token);
  if (named === undefined) return [];
  if (principal === undefined) {
    return named.holds.filter((hold) => isAnonymousOf(hold, shown)).map((hold) => without(named, hold));
  }
  const hold = holdOf(named, principal);
  return hold === undefined ? [] : [without(named, hold)];
}

function ended(
  state: LockState,
  { principal }: SessionEnd,
  held: boolean | undefined,
  nowUs: number,
): readonly LockState[] {
  const hold = holdOf(state, principal);
  if (hold === undefined) return held === true ? [] : [state];
  return held === false && !isDue(hold, nowUs) ? [] : [without(state, hold)];
}

function asked(input: LockInput): string {
  switch (input.type) {
    case "read":
      return "a read";
    case "acquire":
      return `${input.principal} acquires ${input.mode}, at least until ${ms(input.untilUs)}`;
    case "release":
      return `${input.principal ?? input.shown} releases ${input.token ?? "whatever it holds"}`;
    case "endSession":
      return `${input.principal} ends`;
    default:
      return unreachable(input);
  }
}

function answered({ output }: LockOperation): string {
  if (output === undefined) return "unknown outcome";
  switch (output.type) {
    case "granted":
      return `granted ${output.mode}, token ${output.token}`;
    case "refused":
      return output.highest === undefined ? output.code : `${output.code}, the token is ${output.highest}`;
    case "shown":
      return output.mode === undefined
        ? "free"
        : `${output.mode} by ${output.owners.join(", ")}, token ${output.token}`;
    default:
      return output.type;
  }
}

export function ms(us: number): string {
  return Number.isFinite(us) ? `${(us / 1_000).toFixed(1)} ms` : "any time";
}
