import type { Request } from "../requests.ts";
import { type Check, type Violation, violation } from "./violation.ts";

interface Offer {
  readonly request: Request;
  readonly token: number;
  /** What the fence said was the highest; undefined for an unknown outcome. */
  readonly highest: number | undefined;
}

/**
 * A fence is a max-register: some order of the offers to one resource, which keeps the order of those that did not
 * overlap, gives each the largest token so far.
 *
 * Such an order exists exactly if what is answered never falls in real-time order, is never below the token offered, and
 * was offered by somebody before it was answered: sort by answer, who offered it first.
 */
export const checkFences: Check = ({ holds }) => {
  const offers = holds.requests.filter(({ operation }) => operation === "fences.check").map(offerOf);
  const byResource = Map.groupBy(offers, ({ request }) => String(request.input["resource"]));
  return [...byResource.values()].flatMap((ofOne) => [...wrongAnswers(ofOne), ...unoffered(ofOne), ...falls(ofOne)]);
};

const RULE = "a fence is a max-register";

function offerOf(request: Request): Offer {
  const { answer } = request;
  const error = answer?.output?.["error"] as { readonly details?: { readonly highest?: number } } | undefined;
  const highest = answer?.outcome === "ok" ? Number(answer.output?.["highest"]) : error?.details?.highest;
  return { request, token: Number(request.input["token"]), highest };
}

function wrongAnswers(offers: readonly Offer[]): Violation[] {
  return offers
    .filter(({ request: { outcome }, token, highest }) => {
      if (highest === undefined) return outcome === "ok";
      return outcome === "ok" ? highest !== token : highest <= token;
    })
    .map(({ request, token, highest }) => {
      const what = `token ${token} was ${request.outcome === "ok" ? "accepted" : "refused"}, highest ${highest}`;
      return violation(RULE, what, request);
    });
}

/** Answers that nobody had offered when they were given. */
function unoffered(offers: readonly Offer[]): Violation[] {
  const offeredUs = new Map<number, number>();
  for (const { request, token, highest } of offers) {
    // Whoever was answered with a larger one did not make this one the highest, and a definite failure offered nothing.
    const may = highest === undefined ? request.outcome !== "error" : highest === token;
    if (may) offeredUs.set(token, Math.min(offeredUs.get(token) ?? Infinity, request.invokedUs));
  }
  return offers
    .filter(({ request, highest }) => {
      const answeredUs = request.answer?.to_us ?? Infinity;
      return highest !== undefined && (offeredUs.get(highest) ?? Infinity) > answeredUs;
    })
    .map(({ request, highest }) => violation(RULE, `highest ${highest}, which nobody had offered`, request));
}

function falls(offers: readonly Offer[]): Violation[] {
  const answered = offers.filter(({ highest }) => highest !== undefined);
  const byReturn = answered.toSorted((a, b) => (a.request.answer?.to_us ?? 0) - (b.request.answer?.to_us ?? 0));
  const found: Violation[] = [];
  let top: Offer | undefined;
  let returned = 0;
  for (const offer of answered.toSorted((a, b) => a.request.invokedUs - b.request.invokedUs)) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if ((next.request.answer?.to_us ?? Infinity) >= offer.request.invokedUs) break;
      if ((next.highest ?? 0) > (top?.highest ?? 0)) top = next;
    }
    if (top === undefined || (top.highest ?? 0) <= (offer.highest ?? 0)) continue;
    found.push(violation(RULE, `highest fell from ${top.highest} to ${offer.highest}`, top.request, offer.request));
  }
  return found;
}
