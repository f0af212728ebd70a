import type { Grant, Holds } from "../holds.ts";
import { isPart } from "../multi-locks.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/**
 * Nobody else was granted the lock, with a larger token, before the lease had run that the holder was promised. A larger
 * token of anybody else means that the hold is over, also among readers: a new shared phase begins when there is none.
 */
export const checkLeases: Check = ({ holds }) => {
  const found: Violation[] = [];
  for (const grants of Map.groupBy(holds.grants, ({ lock }) => lock).values()) {
    const byToken = grants.toSorted((a, b) => b.token - a.token);
    /** Of the larger tokens that granted first, and the first of those of other principals than that one's. */
    let first: Grant | undefined;
    let other: Grant | undefined;
    for (const same of Map.groupBy(byToken, (grant) => grant.token).values()) {
      for (const grant of same) {
        const next = first?.principal === grant.principal ? other : first;
        if (next === undefined || next.returnedUs >= holds.standsUntilUs(grant)) continue;
        // Then the tokens are in the wrong order, which is said elsewhere.
        if (next.returnedUs < grant.invokedUs) continue;
        const earlyMs = Math.round((holds.standsUntilUs(grant) - next.returnedUs) / 1_000);
        const what = `${described(next)} was granted ${earlyMs} ms before the lease of ${described(grant)} could end`;
        found.push(violation("a lease is never shorter than promised", what, grant.request, next.request));
      }
      for (const grant of same) {
        if (first === undefined || grant.returnedUs < first.returnedUs) {
          if (first !== undefined && first.principal !== grant.principal) other = first;
          first = grant;
        } else if (grant.principal !== first.principal && grant.returnedUs < (other?.returnedUs ?? Infinity)) {
          other = grant;
        }
      }
    }
  }
  return found;
};

/** While a hold certainly stands its holder is told so: by a release, by asking for the lock once more. */
export const checkHoldsAreKept: Check = ({ holds }) => {
  const found: Violation[] = [];
  for (const { grants, acquires, releases } of holds.dealings.values()) {
    for (const grant of grants) {
      const untilUs = holds.standsUntilUs(grant);
      const during = ({ invokedUs, returnedUs }: Request) => invokedUs >= grant.returnedUs && returnedUs < untilUs;
      for (const request of [...acquires, ...releases]) {
        if (request === grant.request || !during(request) || !deniesHold(request, grant)) continue;
        const told = request.outcome === "ok" ? "another token" : request.answer?.code;
        const what = `${described(grant)} stood, and its holder was told ${told}`;
        found.push(violation("an acknowledged hold is not lost", what, grant.request, request));
      }
    }
  }
  return found;
};

function deniesHold(request: Request, grant: Grant): boolean {
  const { operation, input, outcome, output, answer } = request;
  if (operation === "locks.release") {
    const named = input["fencing_token"];
    const own = named === undefined || named === grant.token;
    return own && outcome === "error" && answer !== undefined;
  }
  if (outcome === "error") {
    // It may be another of several locks that was in the way.
    if (isPart(request)) return false;
    // One of several readers may not become the writer; that ends nothing.
    return answer !== undefined && answer.code !== "upgrade_conflict";
  }
  const upgraded = grant.mode === "shared" && output["lock_type"] === "exclusive";
  return outcome === "ok" && !upgraded && output["fencing_token"] !== grant.token;
}

/** What is released is released once, by its holder. */
export const checkReleases: Check = ({ holds }) => {
  const found: Violation[] = [];
  const latest = highestTokens(holds);
  for (const { acquires, releases, grants } of holds.dealings.values()) {
    for (const release of releases.filter(({ outcome }) => outcome === "ok")) {
      const { input, invokedUs } = release;
      const token = input["fencing_token"];
      const may = acquires.filter((acquire) => acquire.outcome !== "error" && acquire.invokedUs < release.returnedUs);
      const unsure = may.some(({ outcome }) => outcome === "unknown");
      if (!unsure && !grants.some((grant) => token === undefined || grant.token === token)) {
        found.push(violation("only a holder releases", "released, and never acquired", release));
      }
      const newer = typeof token === "number" ? latest(release, token) : undefined;
      if (newer !== undefined) {
        const what = `released with ${String(token)} after ${described(newer)} had been granted`;
        found.push(violation("a stale holder releases nothing", what, newer.request, release));
      }
      const before = releases.find(
        (other) =>
          other.outcome === "ok" &&
          other.input["fencing_token"] === token &&
          other.returnedUs < invokedUs &&
          !may.some((acquire) => acquire.returnedUs > other.invokedUs),
      );
      if (before !== undefined) found.push(violation("a hold is released once", "released twice", before, release));
    }
  }
  return found;
};

/** Finds a grant with a larger token, to whomever, that had been given before the release was sent. */
function highestTokens(holds: Holds): (release: Request, token: number) => Grant | undefined {
  const byLock = Map.groupBy(
    holds.grants.toSorted((a, b) => a.returnedUs - b.returnedUs),
    ({ lock }) => lock,
  );
  const highest = new Map<string, Grant[]>();
  for (const [lock, grants] of byLock) {
    let top: Grant | undefined;
    const tops = grants.map((grant) => (top = top === undefined || grant.token > top.token ? grant : top));
    highest.set(lock, tops);
  }
  return (release, token) => {
    const lock = String(release.input["lock_name"]);
    const grants = byLock.get(lock) ?? [];
    const before = lowerBound(grants, release.invokedUs);
    const top = highest.get(lock)?.[before - 1];
    return top !== undefined && top.token > token ? top : undefined;
  };
}

/** How many of the grants, which are in the order of their return, had returned before. */
function lowerBound(grants: readonly Grant[], atUs: number): number {
  let low = 0;
  let high = grants.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((grants[middle]?.returnedUs ?? Infinity) < atUs) low = middle + 1;
    else high = middle;
  }
  return low;
}
