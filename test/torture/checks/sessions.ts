import { promisedUs, type SessionFacts } from "../holds.ts";
import { type Check, violation } from "./violation.ts";

/** A session that is kept alive within its TTL, counted from when each renewal was sent, does not expire. */
export const checkSessionLeases: Check = ({ holds }) =>
  [...holds.sessions.values()].flatMap((session) => {
    const closedUs = session.closes.map(({ outcome, invokedUs }) => (outcome === "error" ? Infinity : invokedUs));
    const untilUs = Math.min(promisedUs(session), ...closedUs);
    return session.requests
      .filter((request) => isOver(request.answer?.code) && request.returnedUs < untilUs)
      .map((request) => {
        const last = session.renewals.at(-1);
        const earlyMs = Math.round((untilUs - request.returnedUs) / 1_000);
        const what = `session ${session.id} was over ${earlyMs} ms before its TTL`;
        return violation("a session lives as long as promised", what, ...(last === undefined ? [] : [last]), request);
      });
  });

/** What was closed, or was said to be over, is never served again. */
export const checkSessionEnds: Check = ({ holds }) =>
  [...holds.sessions.values()].flatMap((session) => {
    const end = firstEnd(session);
    if (end === undefined) return [];
    return [...session.requests, ...session.renewals]
      .filter((request) => request.outcome === "ok" && request.invokedUs > end.returnedUs)
      .map((request) => {
        const what = `session ${session.id} was over, and served again`;
        return violation("a session that is over stays over", what, end, request);
      });
  });

function firstEnd({ closes, requests }: SessionFacts) {
  const ends = [
    ...closes.filter(({ outcome }) => outcome === "ok"),
    ...requests.filter(({ outcome, answer }) => outcome === "error" && isOver(answer?.code)),
  ];
  return ends.toSorted((a, b) => a.returnedUs - b.returnedUs)[0];
}

function isOver(code: string | undefined): boolean {
  return code === "session_expired";
}
