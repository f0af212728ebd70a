import { numberOf } from "../holds.ts";
import { describedPermits, type PermitGrant, type PermitHolds } from "../permit-holds.ts";
import type { Request } from "../requests.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** At any instant the permits that are certainly held are no more than there are, and no slot is held twice. */
export const checkPermitSums: Check = ({ permits }) => {
  const shapes = permits.grants.flatMap(misshapen);
  const grants = Map.groupBy(permits.distinct(), ({ semaphore }) => semaphore);
  return [...shapes, ...[...grants.values()].flatMap((ofOne) => tooMany(ofOne, permits))];
};

/** A grant has as many slots as were asked for, all different and below the limit. */
function misshapen(grant: PermitGrant): Violation[] {
  const { slots, limit, request } = grant;
  const { input, output } = request;
  const asked = Number(input["permits"] ?? 1);
  const rising = slots.every((slot, i) => slot > (slots[i - 1] ?? -1) && slot < limit);
  if (rising && slots.length === asked && output["permits"] === asked && limit === Number(input["limit"])) return [];
  const what = `${describedPermits(grant)} for ${asked} permits of ${String(input["limit"])}`;
  return [violation("a grant is of the permits that were asked for", what, request)];
}

function tooMany(grants: readonly PermitGrant[], permits: PermitHolds): Violation[] {
  const found: Violation[] = [];
  let standing: PermitGrant[] = [];
  // A sum grows only when a grant begins to stand.
  for (const grant of grants) {
    standing = standing.filter((other) => permits.standsUntilUs(other) > grant.returnedUs);
    if (permits.standsUntilUs(grant) <= grant.returnedUs) continue;
    const twice = standing.find(({ slots }) => slots.some((slot) => grant.slots.includes(slot)));
    if (twice !== undefined) {
      const what = `${describedPermits(twice)} and ${describedPermits(grant)} stood at once`;
      found.push(violation("a slot is held once", what, twice.request, grant.request));
    }
    standing.push(grant);
    const sum = standing.reduce((total, { slots }) => total + slots.length, 0);
    const limit = Math.min(...standing.map((other) => other.limit));
    if (sum <= limit) continue;
    const what = `${sum} of ${limit} permits of ${grant.semaphore} were held at once`;
    found.push(violation("permits are no more than the limit", what, ...standing.map(({ request }) => request)));
  }
  return found;
}

/** While somebody certainly holds permits, the semaphore has the limit that the holder was told, for everybody. */
export const checkPermitLimits: Check = ({ holds, permits }) => {
  const told = holds.requests.filter(({ operation }) => operation.startsWith("semaphores."));
  const bySemaphore = Map.groupBy(told, ({ input }) => String(input["semaphore"]));
  const grants = Map.groupBy(permits.distinct(), ({ semaphore }) => semaphore);
  return [...grants].flatMap(([semaphore, ofOne]) =>
    (bySemaphore.get(semaphore) ?? []).flatMap((request) => {
      const limit = limitIn(request);
      const other = ofOne.find((grant) => stands(grant, request, permits) && denies(request, limit, grant.limit));
      if (other === undefined) return [];
      const what = `${describedPermits(other)} stood with limit ${other.limit}, and somebody was told ${limit ?? "of none"}`;
      return [violation("a limit stays while permits are held", what, other.request, request)];
    }),
  );
};

/** The limit that the answer speaks of. */
function limitIn({ answer, output }: Request): number | undefined {
  if (answer?.code !== "semaphore_limit") return answer?.outcome === "ok" ? numberOf(output, "limit") : undefined;
  const error = output["error"] as { readonly details?: { readonly limit?: number } } | undefined;
  return error?.details?.limit;
}

function denies({ input, answer, operation }: Request, told: number | undefined, limit: number): boolean {
  if (operation === "semaphores.release" || answer === undefined) return false;
  if (answer.code === "semaphore_limit") return told !== limit || Number(input["limit"]) === limit;
  return answer.outcome === "ok" && told !== limit;
}

/** True when the permits were certainly held from before the request was sent until after its answer. */
function stands(grant: PermitGrant, { invokedUs, answer }: Request, permits: PermitHolds): boolean {
  return grant.returnedUs < invokedUs && permits.standsUntilUs(grant) > (answer?.to_us ?? Infinity);
}

/** What a read shows of one holder. */
interface ShownPermits {
  readonly owner: string;
  readonly permits: number;
  readonly slots: readonly number[];
  readonly fencing_token: number;
}

/** A read shows everybody who certainly holds, nobody who was never given anything, and sums that are right. */
export const checkPermitReads: Check = ({ holds, permits }) => {
  const grants = Map.groupBy(permits.distinct(), ({ semaphore }) => semaphore);
  return holds.requests.flatMap((read) => {
    if (read.operation !== "semaphores.inspect" || read.outcome !== "ok") return [];
    const semaphore = String(read.output["semaphore"]);
    const shown = read.output["holders"] as readonly ShownPermits[];
    const lost = (grants.get(semaphore) ?? [])
      .filter((grant) => stands(grant, read, permits) && !shown.some((holder) => shows(holder, grant)))
      .map((grant) => {
        const what = `${describedPermits(grant)} stood, and a read does not show it`;
        return violation("an acknowledged hold is not lost", what, grant.request, read);
      });
    return [...lost, ...ghosts(read, semaphore, shown, permits), ...wrongSums(read, shown)];
  });
};

function shows({ owner, slots, fencing_token }: ShownPermits, grant: PermitGrant): boolean {
  return owner === grant.owner && fencing_token === grant.token && String(slots) === String(grant.slots);
}

function ghosts(read: Request, semaphore: string, shown: readonly ShownPermits[], permits: PermitHolds): Violation[] {
  const rule = "nobody holds what nobody was given";
  return shown.flatMap(({ owner }) => {
    const { acquires, releases } = permits.of(semaphore, `owner:${owner}`);
    // Sessions and one-shot requests are shown by names that say nothing of who asked.
    if (acquires.length === 0) return [];
    const may = acquires.filter(({ outcome, invokedUs }) => outcome !== "error" && invokedUs < read.returnedUs);
    if (may.length === 0) {
      return [violation(rule, `${owner} is shown to hold ${semaphore}, which it was refused`, ...acquires, read)];
    }
    const over = releases.find(
      ({ outcome, returnedUs, invokedUs }) =>
        outcome === "ok" && returnedUs < read.invokedUs && may.every((acquire) => acquire.returnedUs < invokedUs),
    );
    return over === undefined
      ? []
      : [violation(rule, `${owner} is shown to hold ${semaphore} after its release`, over, read)];
  });
}

function wrongSums(read: Request, shown: readonly ShownPermits[]): Violation[] {
  const { limit, available } = read.output;
  const held = shown.flatMap(({ slots }) => slots);
  const asMany = shown.every(({ slots, permits }) => slots.length === permits);
  const disjoint = new Set(held).size === held.length && held.every((slot) => slot >= 0 && slot < Number(limit));
  if (asMany && disjoint && held.length + Number(available ?? 0) === Number(limit ?? 0)) return [];
  const what = `slots ${held.join(", ")} of ${String(limit)} are shown as held, and ${String(available)} permits as free`;
  return [violation("permits are no more than the limit", what, read)];
}
