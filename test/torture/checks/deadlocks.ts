import type { Fields } from "../history.ts";
import { type Check, violation } from "./violation.ts";

/** What a read of all locks shows of one. */
interface ShownLock {
  readonly type?: string;
  readonly owners: readonly string[];
  readonly waiters: readonly (readonly [owner: string, type: string])[];
}

/**
 * No read of all locks shows a circle of waits: whoever would close one is refused at once, and never waits. A waiter
 * waits for every incompatible holder and every incompatible waiter before it (PROTOCOLS L4).
 */
export const checkDeadlocks: Check = ({ records, holds }) => {
  const [run] = records;
  // Requests in nobody's name are shown as the node that took them in: many share it, and none waits while it holds.
  const nodes = new Set(run?.type === "run" ? run.nodes : []);
  return holds.requests.flatMap((read) => {
    if (read.operation !== "locks.list" || read.outcome !== "ok") return [];
    const circle = circleIn(waitsOf(read.output["locks"] as Readonly<Record<string, ShownLock & Fields>>, nodes));
    if (circle === undefined) return [];
    return [violation("a circle of waits is refused", `${circle.join(" waits for ")}`, read)];
  });
};

/** Who waits for whom. */
function waitsOf(locks: Readonly<Record<string, ShownLock>>, nameless: ReadonlySet<string>): Map<string, Set<string>> {
  const waits = new Map<string, Set<string>>();
  for (const { type = "shared", owners, waiters } of Object.values(locks)) {
    const before = owners.map((owner) => [owner, type] as const);
    for (const [owner, wanted] of waiters) {
      const known = waits.get(owner) ?? new Set<string>();
      for (const [other, has] of before) {
        const together = wanted === "shared" && has === "shared";
        if (!together && other !== owner && !nameless.has(other)) known.add(other);
      }
      if (!nameless.has(owner)) waits.set(owner, known);
      before.push([owner, wanted]);
    }
  }
  return waits;
}

function circleIn(waits: ReadonlyMap<string, ReadonlySet<string>>): string[] | undefined {
  const finished = new Set<string>();
  const search = (path: readonly string[]): string[] | undefined => {
    const last = path.at(-1) ?? "";
    for (const next of waits.get(last) ?? []) {
      if (path.includes(next)) return [...path.slice(path.indexOf(next)), next];
      const found = finished.has(next) ? undefined : search([...path, next]);
      if (found !== undefined) return found;
    }
    finished.add(last);
    return undefined;
  };
  for (const start of waits.keys()) {
    const found = finished.has(start) ? undefined : search([start]);
    if (found !== undefined) return found;
  }
  return undefined;
}
