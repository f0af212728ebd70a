import { type Holds, numberOf, principalOf } from "../holds.ts";
import type { Fields } from "../history.ts";
import { wantedBy } from "../multi-locks.ts";
import type { Request } from "../requests.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** Several locks are granted all together or not at all (PROTOCOLS L6). */
export const checkMultiLocks: Check = ({ holds }) => {
  const requests = holds.requests.filter(({ operation }) => operation === "locks.acquireAll");
  const wrong = requests.filter(({ outcome }) => outcome === "ok").flatMap(incomplete);
  const sole = soleBundles(holds, requests);
  const lists = holds.requests.filter(
    ({ operation, outcome, input, output }) =>
      operation === "locks.list" && outcome === "ok" && Object.keys(input).length === 0 && output["next"] === undefined,
  );
  return [...wrong, ...lists.flatMap((read) => halves(read, sole, holds))];
};

const RULE = "several locks are granted all or none";

/** A grant of other locks than were asked for, or of fewer. */
function incomplete(request: Request): Violation[] {
  const given = request.output["locks"] as readonly Fields[];
  const wanted = wantedBy(request);
  const fits = wanted.every(({ name, lock_type = "exclusive" }, i) => {
    // A holder of exclusive that asks for shared keeps exclusive.
    const mode = given[i]?.["lock_type"];
    return given[i]?.["lock_name"] === name && (mode === lock_type || mode === "exclusive");
  });
  if (fits && given.length === wanted.length) return [];
  const names = given.map(({ lock_name }) => String(lock_name));
  return [violation(RULE, `granted ${names.join(", ")} for ${wanted.map(({ name }) => name).join(", ")}`, request)];
}

/** By owner: requests that are all that their owners ever asked for. */
function soleBundles(holds: Holds, requests: readonly Request[]): Map<string, Request> {
  const sole = new Map<string, Request>();
  for (const request of requests) {
    const { owner } = request.input;
    if (typeof owner !== "string") continue;
    const alone = wantedBy(request).every(({ name }) => holds.of(name, `owner:${owner}`).acquires.length === 1);
    if (alone) sole.set(owner, request);
  }
  return sole;
}

/** Owners that a read of all locks shows with some of what they asked for at once, and without the rest. */
function halves(read: Request, sole: ReadonlyMap<string, Request>, holds: Holds): Violation[] {
  const locks = read.output["locks"] as Readonly<Record<string, Fields>>;
  const held = new Map<string, string[]>();
  for (const [name, state] of Object.entries(locks)) {
    for (const owner of state["owners"] as readonly string[]) {
      const bundle = sole.get(owner);
      if (bundle === undefined || !wantedBy(bundle).some((wanted) => wanted.name === name)) continue;
      held.set(owner, [...(held.get(owner) ?? []), name]);
    }
  }
  return [...held].flatMap(([owner, names]) => {
    const bundle = sole.get(owner);
    if (bundle === undefined || names.length === wantedBy(bundle).length) return [];
    if (mayHaveEnded(bundle, read, holds)) return [];
    const what = `${owner} is shown with ${names.join(", ")} alone, of ${wantedBy(bundle)
      .map(({ name }) => name)
      .join(", ")}`;
    return [violation(RULE, what, bundle, read)];
  });
}

/** True when one of the locks may have been released, or its lease may have ended, before the read was answered. */
function mayHaveEnded(bundle: Request, read: Request, holds: Holds): boolean {
  const leaseUs = (numberOf(bundle.input, "ttl") ?? 30) * 1e6;
  if (bundle.invokedUs + leaseUs <= read.returnedUs) return true;
  return wantedBy(bundle).some(({ name }) =>
    holds
      .of(name, principalOf(bundle.input) ?? "")
      .releases.some(({ outcome, invokedUs }) => outcome !== "error" && invokedUs < read.returnedUs),
  );
}

/** Who holds nothing, and waits for nothing else, closes no circle: whatever it asks for, it is not a deadlock. */
export const checkNeedlessDeadlocks: Check = ({ holds }) => {
  const asked = holds.requests.filter(({ operation }) => operation.includes(".acquire"));
  const byPrincipal = Map.groupBy(asked, ({ input, attempts }) => principalOf(input) ?? `#${attempts[0]?.n}`);
  return [...byPrincipal.values()].flatMap((requests) =>
    requests.flatMap((request) => {
      const { answer, attempts, invokedUs } = request;
      if (answer?.code !== "deadlock" || attempts.length > 1) return [];
      const other = requests.some(
        (one) =>
          one !== request && one.invokedUs < answer.to_us && (one.outcome !== "error" || one.returnedUs > invokedUs),
      );
      return other
        ? []
        : [violation("only who holds something closes a circle", "deadlock of one with nothing", request)];
    }),
  );
};
