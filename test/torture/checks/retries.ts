import type { OperationRecord } from "../history.ts";
import { isDecided } from "../requests.ts";
import { type Check, violation } from "./violation.ts";

/** Requests with one `Idempotency-Key` are carried out once: whoever asks again gets the first answer (PROTOCOLS Q1). */
export const checkRetries: Check = ({ holds }) =>
  holds.requests.flatMap((request) => {
    const decided = request.attempts.filter(isDecided);
    const [first] = decided;
    const other = decided.find((attempt) => first !== undefined && meaning(attempt) !== meaning(first));
    if (first === undefined || other === undefined) return [];
    const what = `key ${request.key}: ${meaning(first)}, then ${meaning(other)}`;
    return [violation("a key has one result", what, request)];
  });

/** The answer without what speaks of the node that gave it. */
function meaning({ outcome, code, output }: OperationRecord): string {
  if (outcome !== "ok") return code ?? "";
  const { leader: _leader, term: _term, ...rest } = output ?? {};
  return JSON.stringify(rest);
}
