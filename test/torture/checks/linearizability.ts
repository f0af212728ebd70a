import {
  type ClientAnswer,
  type ClientOperation,
  type ClientRequest,
  isRefusal,
} from "../../../src/sim/checks/linearizability/client-operation.ts";
import { type Judgement, judgeLinearizability } from "../../../src/sim/checks/linearizability/judge-histories.ts";
import { numberOf, principalOf } from "../holds.ts";
import type { Fields, HistoryRecord } from "../history.ts";
import { type Request, requestsOf } from "../requests.ts";
import type { Check } from "./violation.ts";

type Operation = ClientOperation<Request>;

/** Of the search for each object; some seconds. */
const MAX_STEPS = 2_000_000;

/** Every lock, session and fence has a linearization: one order of all that was asked, which keeps the order of what did not overlap, and in which it could answer as it did. */
export const checkLinearizability: Check = ({ records }) =>
  linearizabilityOf(records).flatMap(({ object, verdict, explanation, sources }) => {
    if (verdict === "linearizable") return [];
    const rule = verdict === "violation" ? "histories are linearizable" : "histories are judged to the end";
    const what = verdict === "violation" ? `${object}: ${explanation.join("\n  ")}` : `${object}: budget exceeded`;
    return [{ rule, what, records: sources.flatMap(({ attempts }) => attempts.map(({ n }) => n)) }];
  });

export function linearizabilityOf(records: readonly HistoryRecord[]): Judgement<Request>[] {
  return judgeLinearizability(operationsOf(records), MAX_STEPS);
}

export function operationsOf(records: readonly HistoryRecord[]): Operation[] {
  const requests = requestsOf(records);
  const locks = new Set(
    requests.flatMap(({ input }) => (typeof input["lock_name"] === "string" ? [input["lock_name"]] : [])),
  );
  return requests.flatMap((request) =>
    request.operation === "locks.list" ? listed(request, locks) : [...abandoned(request), ...operationOf(request)],
  );
}

function operationOf(request: Request): Operation[] {
  const { outcome, invokedUs, returnedUs, answer } = request;
  const input = inputOf(request);
  if (input === undefined) return [];
  const told = answerOf(request);
  const operation = { source: request, input, invokedUs };
  const unknown: Operation = { ...operation, output: undefined, returnedUs: Number.POSITIVE_INFINITY };
  if (outcome === "ok") return told === undefined ? [] : [{ ...operation, output: told, returnedUs }];
  // A refusal is also what it says of the state, whatever became of earlier attempts.
  const refusal =
    told === undefined || answer === undefined ? [] : [{ ...operation, output: told, returnedUs: answer.to_us }];
  return outcome === "unknown" ? [unknown, ...refusal] : refusal;
}

/** Attempts to acquire whose client went away: each may have been granted, given back, and forgotten, before the next. */
function abandoned(request: Request): Operation[] {
  const input = inputOf(request);
  if (input?.type !== "acquire" || request.outcome !== "ok") return [];
  return request.attempts
    .filter(({ outcome, from_us }) => outcome === "unknown" && from_us < request.returnedUs)
    .map(({ from_us, n }) => ({
      source: request,
      input: input.principal.startsWith("once:") ? { ...input, principal: `once:of ${n}`, shown: undefined } : input,
      output: undefined,
      invokedUs: from_us,
      returnedUs: Number.POSITIVE_INFINITY,
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

function inputOf({ operation, input, output, attempts, outcome }: Request): ClientRequest | undefined {
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
    case "locks.list":
    case "sessions.list":
      return undefined;
  }
}

function answerOf({ operation, outcome, answer, output }: Request): ClientAnswer | undefined {
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
    case "locks.list":
    case "sessions.list":
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
