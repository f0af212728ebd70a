import {
  type AcquireRequest,
  type ClientAnswer,
  type ClientOperation,
  type ClientRequest,
  isRefusal,
} from "../../src/sim/checks/linearizability/client-operation.ts";
import { numberOf, principalOf } from "./holds.ts";
import type { Fields, HistoryRecord } from "./history.ts";
import { isPart, partsOf, wantedBy } from "./multi-locks.ts";
import { type Request, requestsOf } from "./requests.ts";

type Operation = ClientOperation<Request>;

/** A history as the models of linearizability see it: what may have happened, and what was said of locks, sessions and fences. */
export function operationsOf(records: readonly HistoryRecord[]): Operation[] {
  const requests = requestsOf(records);
  const locks = new Set(requests.flatMap((request) => wantedBy(request).map(({ name }) => name)));
  return requests.flatMap((request) =>
    request.operation === "locks.list" ? listed(request, locks) : partsOf(request).flatMap(operationOf),
  );
}

function operationOf(request: Request): Operation[] {
  const { outcome, invokedUs, returnedUs, answer } = request;
  const input = inputOf(request);
  if (input === undefined) return [];
  const known = { source: request, input, invokedUs };
  // A refusal is what it says of the state, whatever became of other attempts.
  const output = answerOf(request);
  const toldUs = outcome === "ok" ? returnedUs : (answer?.to_us ?? returnedUs);
  const told = output === undefined ? [] : [{ ...known, output, returnedUs: toldUs }];
  if (input.type === "acquire") return [...told, ...lostGrants(request, input)];
  return outcome === "unknown" ? [...told, { ...known, output: undefined, returnedUs: Infinity }] : told;
}

/** Attempts whose client went away: each may have been granted, given back, and forgotten, before the next. */
function lostGrants(request: Request, input: AcquireRequest): Operation[] {
  const lost = request.attempts.filter(({ outcome, from_us }) => outcome === "unknown" && from_us < request.returnedUs);
  return lost.map(({ from_us: invokedUs, n, node }) => ({
    source: request,
    input: principalOf(request.input) === undefined ? { ...input, principal: `once:of ${n}`, shown: node } : input,
    ...{ output: undefined, invokedUs, returnedUs: Infinity },
  }));
}

/** A list shows each lock; one that a whole list lacks is free. */
function listed(request: Request, locks: ReadonlySet<string>): Operation[] {
  const { outcome, input, output, invokedUs, returnedUs } = request;
  if (outcome !== "ok") return [];
  const states = output["locks"] as Record<string, Fields>;
  const whole = output["next"] === undefined && Object.keys(input).length === 0;
  const names = whole ? new Set([...locks, ...Object.keys(states)]) : Object.keys(states);
  return [...names].map((lock) => ({
    source: request,
    input: { type: "read", lock },
    output: shown(states[lock] ?? { owners: [] }),
    ...{ invokedUs, returnedUs },
  }));
}

function inputOf(request: Request): ClientRequest | undefined {
  const { operation, input, output, attempts, outcome } = request;
  const lock = String(input["lock_name"]);
  const principal = principalOf(input);
  const session = String(input["session"] ?? output["session"]);
  switch (operation) {
    case "locks.acquire": {
      const once = outcome === "ok" ? String(output["session"]) : `of ${attempts[0]?.n}`;
      const shownAs = typeof input["owner"] === "string" ? input["owner"] : output["owner"];
      return {
        ...{ type: "acquire", lock, principal: principal ?? `once:${once}` },
        mode: input["lock_type"] === "shared" ? "shared" : "exclusive",
        leaseUs: (numberOf(input, "ttl") ?? 30) * 1e6,
        shown: typeof shownAs === "string" ? shownAs : undefined,
        joint: isPart(request),
      };
    }
    case "locks.release":
      // By a request in nobody's name: of some hold of that kind, taken through that node.
      return { type: "release", lock, principal, shown: attempts[0]?.node, token: numberOf(input, "fencing_token") };
    case "locks.inspect":
      return { type: "read", lock };
    case "sessions.open":
      return outcome === "ok" ? { type: "openSession", session, leaseUs: Number(input["ttl"]) * 1e6 } : undefined;
    case "sessions.renew":
      return { type: "renewSession", session };
    case "sessions.close":
      return { type: "closeSession", session };
    case "fences.check":
      return { type: "offer", resource: String(input["resource"]), token: Number(input["token"]) };
    default:
      return undefined;
  }
}

function answerOf(request: Request): ClientAnswer | undefined {
  const { operation, outcome, answer, output } = request;
  // Which of several locks was in the way says nothing of the others.
  if (outcome !== "ok" && isPart(request)) return outcome === "error" ? { type: "nothing" } : undefined;
  if (outcome !== "ok") return refusalOf(answer?.code, output, operation === "fences.check");
  switch (operation) {
    case "locks.acquire": {
      const mode = output["lock_type"] === "shared" ? "shared" : "exclusive";
      return { type: "granted", mode, token: Number(output["fencing_token"]), shown: String(output["owner"]) };
    }
    case "locks.inspect":
      return shown(output);
    case "fences.check":
      return { type: "highest", highest: Number(output["highest"]) };
    case "sessions.close":
      return { type: "closed", released: output["released"] as string[] };
    case "locks.release":
    case "sessions.open":
    case "sessions.renew":
      return { type: "done" };
    default:
      return undefined;
  }
}

function refusalOf(code: string | undefined, output: Fields, byFence: boolean): ClientAnswer | undefined {
  if (!isRefusal(code)) return undefined;
  const error = output["error"] as { readonly details?: { readonly highest?: number } } | undefined;
  const highest = error?.details?.highest;
  if (!byFence) return { type: "refused", code, highest };
  return highest === undefined ? undefined : { type: "highest", highest };
}

function shown(state: Fields): ClientAnswer {
  const owners = state["owners"] as string[];
  const token = numberOf(state, "fencing_token");
  if (owners.length === 0) return { type: "shown", mode: undefined, token: undefined, owners };
  return { type: "shown", mode: state["type"] === "shared" ? "shared" : "exclusive", token, owners };
}
