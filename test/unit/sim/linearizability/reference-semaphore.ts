import type {
  SemaphoreInput,
  SemaphoreOutput,
} from "../../../../src/sim/checks/linearizability/semaphore-operation.ts";
import type { Model } from "../../../../src/sim/checks/linearizability/model.ts";

interface Hold {
  readonly who: string;
  readonly shown: string | undefined;
  readonly untilUs: number;
  readonly slots: readonly number[];
  readonly token: number;
}

interface Pool {
  readonly limit: number;
  /** By slot. */
  readonly highest: readonly number[];
  readonly holds: readonly Hold[];
}

/**
 * The semaphore as the documentation has it, with nothing clever: before each operation any holds whose leases are over may
 * end, and a grant that nobody heard of gets any free slots and any token.
 *
 * @param tokens that a history names
 */
export function referenceSemaphore(tokens: readonly number[]): Model<Pool, SemaphoreInput, SemaphoreOutput> {
  return {
    initial: { limit: 0, highest: [], holds: [] },
    step(pool, { input, output }, nowUs) {
      return expiries(pool, nowUs).flatMap((left) => after(left, input, output, tokens));
    },
    key: (pool) => JSON.stringify(pool),
    observes: () => false,
    show: (pool) => JSON.stringify(pool),
    tell: (operation) => JSON.stringify(operation),
  };
}

function expiries(pool: Pool, nowUs: number): Pool[] {
  let choices: Hold[][] = [[]];
  for (const hold of pool.holds) {
    const stands = choices.map((holds) => [...holds, hold]);
    choices = hold.untilUs <= nowUs ? [...stands, ...choices] : stands;
  }
  return choices.map((holds) => ({ ...pool, holds }));
}

function after(
  pool: Pool,
  input: SemaphoreInput,
  output: SemaphoreOutput | undefined,
  tokens: readonly number[],
): Pool[] {
  switch (input.type) {
    case "acquirePermits":
      return afterAcquire(pool, input, output, tokens);
    case "releasePermits":
      return afterRelease(pool, input, output);
    case "endSession": {
      const mine = pool.holds.some(({ who }) => who === input.principal);
      const left = { ...pool, holds: pool.holds.filter(({ who }) => who !== input.principal) };
      if (output?.type === "refused") return mine ? [] : [pool];
      const held = output?.type === "ended" ? output.held : undefined;
      return held === undefined || held === mine ? [left] : [];
    }
    case "readPermits":
      return output?.type === "permitsShown" && isShown(pool, output) ? [pool] : [];
  }
}

function isShown(pool: Pool, shown: Extract<SemaphoreOutput, { type: "permitsShown" }>): boolean {
  if (pool.holds.length === 0) return shown.limit === undefined && shown.holders.length === 0;
  const free = pool.limit - pool.holds.reduce((sum, { slots }) => sum + slots.length, 0);
  if (shown.limit !== pool.limit || shown.available !== free || shown.holders.length !== pool.holds.length)
    return false;
  const left = [...shown.holders];
  for (const { slots, token, shown: name } of pool.holds) {
    const at = left.findIndex(
      (holder) =>
        holder.token === token &&
        String(holder.slots) === String(slots) &&
        (name === undefined ? holder.owner.startsWith("session-") : holder.owner === name),
    );
    if (at === -1) return false;
    left.splice(at, 1);
  }
  return true;
}

function afterAcquire(
  pool: Pool,
  input: Extract<SemaphoreInput, { type: "acquirePermits" }>,
  output: SemaphoreOutput | undefined,
  tokens: readonly number[],
): Pool[] {
  const { principal: who, permits, limit, shown, untilUs } = input;
  const own = pool.holds.find((hold) => hold.who === who);
  const others = pool.holds.filter((hold) => hold.who !== who);
  const exists = pool.holds.length > 0;
  const held = others.reduce((sum, { slots }) => sum + slots.length, 0);
  if (output?.type === "refused") {
    if (output.code === "session_expired") return own === undefined ? [pool] : [];
    if (output.code === "semaphore_limit") {
      return exists && pool.limit !== limit && pool.limit === output.limit ? [pool] : [];
    }
    if (exists && pool.limit !== limit) return [];
    if (output.code === "permits_conflict") {
      return own !== undefined && own.slots.length !== permits && own.slots.length === output.permits ? [pool] : [];
    }
    const refuses = output.code === "lock_held" || output.code === "deadlock";
    const tooFew = held + permits > limit || (input.behind && others.length > 0);
    return refuses && own === undefined && tooFew ? [pool] : [];
  }
  if (output !== undefined && output.type !== "permitsGranted") return [];
  if (exists && pool.limit !== limit) return [];
  const isAnswer = ({ slots, token }: { readonly slots: readonly number[]; readonly token: number }): boolean =>
    output === undefined ||
    (output.limit === limit && String(output.slots) === String(slots) && output.token === token);
  if (own !== undefined) {
    const renewed = { ...pool, holds: [...others, { ...own, untilUs }] };
    return own.slots.length === permits && isAnswer(own) ? [renewed] : [];
  }
  const taken = others.flatMap(({ slots }) => slots);
  const free = Array.from({ length: limit }, (_, slot) => slot).filter((slot) => !taken.includes(slot));
  return choose(free, permits).flatMap((slots) => {
    const highest = Math.max(...slots.map((slot) => pool.highest[slot] ?? 0));
    const named = output === undefined ? [...tokens.filter((token) => token > highest), highest + 0.5] : [output.token];
    return named.flatMap((token): Pool[] => {
      if (token <= highest || !isAnswer({ slots, token })) return [];
      const raised = Array.from({ length: Math.max(limit, pool.highest.length) }, (_, slot) => pool.highest[slot] ?? 0);
      for (const slot of slots) raised[slot] = token;
      // Of a grant that nobody heard of nobody knows how long it stands.
      const until = output === undefined ? Number.NEGATIVE_INFINITY : untilUs;
      return [{ limit, highest: raised, holds: [...others, { who, shown, untilUs: until, slots, token }] }];
    });
  });
}

/** All ways to choose so many. */
function choose(slots: readonly number[], count: number): number[][] {
  if (count === 0) return [[]];
  return slots.flatMap((slot, i) => choose(slots.slice(i + 1), count - 1).map((rest) => [slot, ...rest]));
}

function afterRelease(
  pool: Pool,
  { principal, shown, token }: Extract<SemaphoreInput, { type: "releasePermits" }>,
  output: SemaphoreOutput | undefined,
): Pool[] {
  const mine = pool.holds.filter((hold) =>
    principal === undefined ? hold.who.startsWith("once:") && hold.shown === shown : hold.who === principal,
  );
  if (output?.type !== "refused") {
    const meant = mine.filter((hold) => token === undefined || token === hold.token);
    return meant.map((hold) => ({ ...pool, holds: pool.holds.filter((other) => other !== hold) }));
  }
  switch (output.code) {
    case "not_held":
      return pool.holds.length === 0 ? [pool] : [];
    case "not_owner":
      return mine.length === 0 && pool.holds.length > 0 ? [pool] : [];
    case "stale_token":
      return token !== undefined && mine.some((hold) => hold.token === output.highest && hold.token !== token)
        ? [pool]
        : [];
    case "session_expired":
      return mine.length === 0 ? [pool] : [];
    default:
      return [];
  }
}
