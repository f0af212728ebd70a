import {
  type AcquirePermitsRequest,
  type AcquireRequest,
  type ClientAnswer,
  type ClientOperation,
  type ClientRequest,
  isRefusal,
  type Refused,
} from "../../src/sim/checks/linearizability/client-operation.ts";
import { numberOf, principalOf } from "./holds.ts";
import type { Fields, HistoryRecord } from "./history.ts";
import { isPart, partsOf, wantedBy } from "./multi-locks.ts";
import { type Request, requestsOf } from "./requests.ts";

type Operation = ClientOperation<Request>;

/** A history as the models of linearizability see it: what may have happened, and what was said of locks, semaphores, sessions and fences. */
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
  if (input.type === "acquire" || input.type === "acquirePermits") return [...told, ...lostGrants(request, input)];
  return outcome === "unknown" ? [...told, { ...known, output: undefined, returnedUs: Infinity }] : told;
}

/** Attempts whose client went away: each may have been granted, given back, and forgotten, before the next. */
function lostGrants(request: Request, input: AcquireRequest | AcquirePermitsRequest): Operation[] {
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
  const { operation, input, output } = request;
  const lock = String(input["lock_name"]);
  const semaphore = String(input["semaphore"]);
  const principal = principalOf(input);
  const session = String(input["session"] ?? output["session"]);
  switch (operation) {
    case "locks.acquire": {
      const mode = input["lock_type"] === "shared" ? "shared" : "exclusive";
      return { type: "acquire", lock, mode, joint: isPart(request), ...claimOf(request) };
    }
    case "semaphores.acquire": {
      const [permits, limit] = [Number(input["permits"] ?? 1), Number(input["limit"])];
      return { type: "acquirePermits", semaphore, permits, limit, ...claimOf(request) };
    }
    case "semaphores.release":
      return {
        ...{ type: "releasePermits", semaphore, principal },
        ...{ shown: nodeOf(request), token: numberOf(input, "fencing_token") },
      };
    case "semaphores.inspect":
      return { type: "readPermits", semaphore };
    case "locks.release":
      // By a request in nobody's name: of some hold of that kind, taken through that node.
      return { type: "release", lock, principal, shown: nodeOf(request), token: numberOf(input, "fencing_token") };
    case "locks.inspect":
      return { type: "read", lock };
    case "sessions.open":
      // A client of a real node is told its session, one of a simulated node chooses it.
      if (request.outcome !== "ok" && input["session"] === undefined) return undefined;
      return { type: "openSession", session, leaseUs: Number(input["ttl"]) * 1e6 };
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

/** What a hold in nobody's name is shown as: the node through which it was taken. Only simulated clients ask another one. */
function nodeOf({ input, attempts }: Request): string | undefined {
  return typeof input["node"] === "string" ? input["node"] : attempts[0]?.node;
}

/** In whose name, and for how long. */
function claimOf(request: Request): Pick<AcquireRequest, "principal" | "leaseUs" | "shown"> {
  const { input, output, attempts, outcome } = request;
  const once = outcome === "ok" ? String(output["session"]) : `of ${attempts[0]?.n}`;
  const shownAs = typeof input["owner"] === "string" ? input["owner"] : output["owner"];
  return {
    principal: principalOf(input) ?? `once:${once}`,
    leaseUs: (numberOf(input, "ttl") ?? 30) * 1e6,
    shown: typeof shownAs === "string" ? shownAs : undefined,
  };
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
    case "semaphores.acquire":
      return {
        ...{ type: "permitsGranted", limit: Number(output["limit"]), slots: output["slots"] as number[] },
        ...{ token: Number(output["fencing_token"]), shown: String(output["owner"]) },
      };
    case "semaphores.inspect":
      return permitsShown(output);
    case "sessions.close": {
      const [released, releasedSemaphores] = [output["released"], output["released_semaphores"]] as string[][];
      return { type: "closed", released, releasedSemaphores };
    }
    case "locks.release":
    case "semaphores.release":
    case "sessions.open":
    case "sessions.renew":
      return { type: "done" };
    default:
      return undefined;
  }
}

function refusalOf(code: string | undefined, output: Fields, byFence: boolean): ClientAnswer | undefined {
  if (!isRefusal(code)) return undefined;
  const error = output["error"] as { readonly details?: Omit<Refused, "type" | "code"> } | undefined;
  const { highest, limit, permits } = error?.details ?? {};
  if (!byFence) return { type: "refused", code, highest, limit, permits };
  return highest === undefined ? undefined : { type: "highest", highest };
}

function shown(state: Fields): ClientAnswer {
  const owners = state["owners"] as string[];
  const token = numberOf(state, "fencing_token");
  if (owners.length === 0) return { type: "shown", mode: undefined, token: undefined, owners };
  return { type: "shown", mode: state["type"] === "shared" ? "shared" : "exclusive", token, owners };
}

function permitsShown(state: Fields): ClientAnswer {
  const holders = (state["holders"] as readonly Fields[]).map((holder) => ({
    ...{ owner: String(holder["owner"]), slots: holder["slots"] as number[], token: Number(holder["fencing_token"]) },
  }));
  return { type: "permitsShown", limit: numberOf(state, "limit"), available: numberOf(state, "available"), holders };
}
