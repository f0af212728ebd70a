import type { LockInput, LockOutput } from "../../../../src/sim/checks/linearizability/lock-operation.ts";
import type { Model } from "../../../../src/sim/checks/linearizability/model.ts";

interface Hold {
  readonly who: string;
  readonly shown: string | undefined;
  readonly untilUs: number;
}

interface Table {
  readonly mode: "exclusive" | "shared" | undefined;
  readonly token: number;
  readonly highest: number;
  readonly holds: readonly Hold[];
}

/**
 * The lock as the documentation has it, with nothing clever: before each operation any holds whose leases are over may end,
 * and a grant that nobody heard of gets any token.
 *
 * @param tokens that a history names
 */
export function referenceLock(tokens: readonly number[]): Model<Table, LockInput, LockOutput> {
  return {
    initial: { mode: undefined, token: 0, highest: 0, holds: [] },
    step(table, { input, output }, nowUs) {
      return expiries(table, nowUs).flatMap((left) => after(left, input, output, tokens));
    },
    key: (table) => JSON.stringify(table),
    observes: () => false,
    show: (table) => JSON.stringify(table),
    tell: (operation) => JSON.stringify(operation),
  };
}

function expiries(table: Table, nowUs: number): Table[] {
  let choices: Hold[][] = [[]];
  for (const hold of table.holds) {
    const stands = choices.map((holds) => [...holds, hold]);
    choices = hold.untilUs <= nowUs ? [...stands, ...choices] : stands;
  }
  return choices.map((holds) => holding(table, holds));
}

function holding(table: Table, holds: readonly Hold[]): Table {
  return holds.length > 0 ? { ...table, holds } : { mode: undefined, token: 0, highest: table.highest, holds };
}

function after(table: Table, input: LockInput, output: LockOutput | undefined, tokens: readonly number[]): Table[] {
  if (input.type === "acquire") return afterAcquire(table, input, output, tokens);
  if (input.type === "release") return afterRelease(table, input, output);
  if (input.type === "endSession") {
    const mine = table.holds.some(({ who }) => who === input.principal);
    const left = holding(
      table,
      table.holds.filter(({ who }) => who !== input.principal),
    );
    if (output?.type === "refused") return mine ? [] : [table];
    const held = output?.type === "ended" ? output.held : undefined;
    return held === undefined || held === mine ? [left] : [];
  }
  if (output?.type !== "shown") return [];
  if (output.mode === undefined) return table.mode === undefined ? [table] : [];
  const unclaimed = [...output.owners];
  for (const { shown } of table.holds) {
    if (shown === undefined) continue;
    if (!unclaimed.includes(shown)) return [];
    unclaimed.splice(unclaimed.indexOf(shown), 1);
  }
  const nameless = table.holds.filter(({ shown }) => shown === undefined);
  const same = unclaimed.length === nameless.length && unclaimed.every((name) => name.startsWith("session-"));
  return same && output.mode === table.mode && output.token === table.token ? [table] : [];
}

function afterAcquire(
  table: Table,
  input: Extract<LockInput, { type: "acquire" }>,
  output: LockOutput | undefined,
  tokens: readonly number[],
): Table[] {
  const { principal: who, mode, shown, untilUs } = input;
  const own = table.holds.find((hold) => hold.who === who);
  const others = table.holds.filter((hold) => hold.who !== who);
  if (output?.type === "refused") {
    if (output.code === "upgrade_conflict") {
      return own !== undefined && table.mode === "shared" && others.length > 0 ? [table] : [];
    }
    if (output.code === "session_expired") return own === undefined ? [table] : [];
    const upgrades = own !== undefined && table.mode === "shared" && mode === "exclusive";
    if (output.code === "deadlock" && input.behindJoint && upgrades) return [table];
    return own === undefined && (others.length > 0 || input.behindJoint) ? [table] : [];
  }
  if (output !== undefined && output.type !== "granted") return [];
  const heard = output !== undefined;
  // Of a grant that nobody heard of nobody knows how long it stands; a renewal starts the lease anew.
  const hold = { who, shown, untilUs: heard || own !== undefined ? untilUs : Number.NEGATIVE_INFINITY };
  const anew = (highest: number): number[] => {
    if (heard) return output.token > highest ? [output.token] : [];
    return [...tokens.filter((token) => token > highest), highest + 0.5];
  };
  const grants: Table[] = [];
  const upgrade = own !== undefined && table.mode === "shared" && mode === "exclusive";
  if (own !== undefined && !upgrade) grants.push({ ...table, holds: [...others, hold] });
  if ((upgrade && others.length === 0) || table.mode === undefined) {
    for (const token of anew(table.highest)) grants.push({ mode, token, highest: token, holds: [hold] });
  }
  if (own === undefined && table.mode === "shared" && mode === "shared") {
    grants.push({ ...table, holds: [...others, hold] });
  }
  return heard ? grants.filter(({ mode: given, token }) => given === output.mode && token === output.token) : grants;
}

function afterRelease(
  table: Table,
  { principal, shown, token }: Extract<LockInput, { type: "release" }>,
  output: LockOutput | undefined,
): Table[] {
  const isMine = (hold: Hold): boolean =>
    principal === undefined ? hold.who.startsWith("once:") && hold.shown === shown : hold.who === principal;
  const mine = table.holds.filter(isMine);
  const named = token === undefined || token === table.token;
  if (output?.type !== "refused") {
    if (!named) return [];
    return mine.map((hold) =>
      holding(
        table,
        table.holds.filter((other) => other !== hold),
      ),
    );
  }
  switch (output.code) {
    case "not_held":
      return table.mode === undefined ? [table] : [];
    case "not_owner":
      return mine.length === 0 && table.mode !== undefined ? [table] : [];
    case "stale_token":
      return mine.length > 0 && !named && output.highest === table.token ? [table] : [];
    case "session_expired":
      return mine.length === 0 ? [table] : [];
    default:
      return [];
  }
}
