import { describedPermits, type PermitGrant, type PermitHolds } from "../permit-holds.ts";
import type { Request } from "../requests.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/**
 * Each slot is fenced: of two grants of it, one answered before the other was asked for, the later has the larger token
 * (PROTOCOLS L2), and nobody gets it before the lease that its holder was promised has run.
 */
export const checkSlots: Check = ({ permits, holds }) => {
  const bySlot = new Map<string, PermitGrant[]>();
  for (const grant of permits.grants) {
    for (const slot of grant.slots) {
      const name = `${slot} ${grant.semaphore}`;
      const known = bySlot.get(name);
      if (known === undefined) bySlot.set(name, [grant]);
      else known.push(grant);
    }
  }
  const ofLocks = new Map(holds.grants.map((grant) => [grant.token, grant]));
  const shared = permits.grants.flatMap((grant) => {
    const other = ofLocks.get(grant.token);
    if (other === undefined) return [];
    const what = `${describedPermits(grant)} and a lock of ${other.principal}`;
    return [violation("a token is of one hold or one shared phase", what, other.request, grant.request)];
  });
  return [
    ...shared,
    ...once([...bySlot.values()].flatMap((grants) => [...falls(grants), ...cutShort(grants, permits)])),
  ];
};

/** Several slots of one grant show the same. */
function once(found: readonly Violation[]): Violation[] {
  return [...new Map(found.map((one) => [`${one.rule} ${one.records.join(" ")}`, one])).values()];
}

function falls(grants: readonly PermitGrant[]): Violation[] {
  const found: Violation[] = [];
  const byReturn = grants.toSorted((a, b) => a.returnedUs - b.returnedUs);
  let top: PermitGrant | undefined;
  let returned = 0;
  for (const grant of grants.toSorted((a, b) => a.invokedUs - b.invokedUs)) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if (next.returnedUs >= grant.invokedUs) break;
      if (next.token > (top?.token ?? 0)) top = next;
    }
    // Who holds already is told its token again.
    const again = top?.token === grant.token && top.principal === grant.principal;
    if (top === undefined || top.token < grant.token || again) continue;
    const what = `${describedPermits(grant)} was asked for after ${describedPermits(top)} had been granted`;
    found.push(violation("tokens rise for each slot", what, top.request, grant.request));
  }
  return found;
}

/** A larger token of somebody else for a slot means that the hold is over. */
function cutShort(grants: readonly PermitGrant[], permits: PermitHolds): Violation[] {
  const byToken = grants.toSorted((a, b) => a.token - b.token);
  return byToken.flatMap((grant, i) => {
    const next = byToken
      .slice(i + 1)
      .find(({ token, principal }) => token > grant.token || principal !== grant.principal);
    if (next === undefined || next.returnedUs < grant.invokedUs) return [];
    const untilUs = permits.standsUntilUs(grant);
    if (next.principal === grant.principal || next.returnedUs >= untilUs) return [];
    const earlyMs = Math.round((untilUs - next.returnedUs) / 1_000);
    const what = `${describedPermits(next)} was granted ${earlyMs} ms before the lease of ${describedPermits(grant)} could end`;
    return [violation("a lease is never shorter than promised", what, grant.request, next.request)];
  });
}

/** While permits are certainly held their holder is told so: by a release, by asking for them once more. */
export const checkPermitsAreKept: Check = ({ permits }) =>
  [...permits.dealings.values()].flatMap(({ grants, acquires, releases }) =>
    grants.flatMap((grant) => {
      const untilUs = permits.standsUntilUs(grant);
      return [...acquires, ...releases]
        .filter((request) => request.invokedUs >= grant.returnedUs && request.returnedUs < untilUs)
        .filter((request) => deniesPermits(request, grant))
        .map((request) => {
          const told = request.outcome === "ok" ? "something else" : request.answer?.code;
          const what = `${describedPermits(grant)} stood, and its holder was told ${told}`;
          return violation("an acknowledged hold is not lost", what, grant.request, request);
        });
    }),
  );

function deniesPermits({ operation, input, outcome, output, answer }: Request, { slots, token }: PermitGrant): boolean {
  if (operation === "semaphores.release") {
    const named = input["fencing_token"];
    return (named === undefined || named === token) && outcome === "error" && answer !== undefined;
  }
  const asMany = Number(input["permits"] ?? 1) === slots.length;
  if (outcome === "ok")
    return !asMany || output["fencing_token"] !== token || String(output["slots"]) !== String(slots);
  // Another limit is refused before anything else is looked at.
  if (answer === undefined || answer.code === "semaphore_limit") return false;
  return asMany || answer.code !== "permits_conflict";
}

/** Permits are released once, by their holder, and by no token but that of the hold. */
export const checkPermitReleases: Check = ({ permits }) =>
  [...permits.dealings.values()].flatMap(({ acquires, releases, grants }) =>
    releases
      .filter(({ outcome }) => outcome === "ok")
      .flatMap((release) => {
        const { input, invokedUs, returnedUs } = release;
        const token = input["fencing_token"];
        const may = acquires.filter((acquire) => acquire.outcome !== "error" && acquire.invokedUs < returnedUs);
        const unsure = may.some(({ outcome }) => outcome === "unknown");
        const found: Violation[] = [];
        if (!unsure && !grants.some((grant) => token === undefined || grant.token === token)) {
          found.push(violation("only a holder releases", "released, and never acquired", release));
        }
        const newer = grants.find((grant) => grant.returnedUs < invokedUs && grant.token > Number(token));
        if (newer !== undefined) {
          const what = `released with ${String(token)} after ${describedPermits(newer)} had been granted`;
          found.push(violation("a stale holder releases nothing", what, newer.request, release));
        }
        const again = grants.find((grant) => grant.invokedUs > returnedUs && grant.token === token);
        if (again !== undefined) {
          const what = `${describedPermits(again)} came after the release of that token`;
          found.push(violation("a token is of one hold or one shared phase", what, release, again.request));
        }
        const before = releases.find(
          (other) =>
            other.outcome === "ok" &&
            other.input["fencing_token"] === token &&
            other.returnedUs < invokedUs &&
            !may.some((acquire) => acquire.returnedUs > other.invokedUs),
        );
        if (before !== undefined) found.push(violation("a hold is released once", "released twice", before, release));
        return found;
      }),
  );
