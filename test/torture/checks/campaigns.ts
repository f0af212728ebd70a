import type { Grant, Holds } from "../holds.ts";
import type { Fields, HistoryRecord } from "../history.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** Timers may be early by as much. */
const EARLY_US = 2_000;

/** What one read of one lock shows. */
interface Shown {
  readonly read: Request;
  readonly lock: string;
  readonly value: string | undefined;
  readonly revision: number;
  readonly owners: readonly string[];
  readonly token: number | undefined;
}

/** The value that is shown is one that the holder gave, and the last that it was told of. */
export const checkCampaigns: Check = ({ holds }) => {
  const grants = Map.groupBy(holds.grants, ({ lock }) => lock);
  const proclaimed = Map.groupBy(
    holds.requests.filter(
      ({ operation, input }) => operation === "locks.acquire" && typeof input["value"] === "string",
    ),
    ({ input }) => String(input["lock_name"]),
  );
  return shownLocks(holds).flatMap((shown) => [
    ...foreign(shown, proclaimed.get(shown.lock) ?? []),
    ...outdated(shown, grants.get(shown.lock) ?? [], holds),
  ]);
};

function foreign({ read, lock, value, owners }: Shown, proclaimed: readonly Request[]): Violation[] {
  if (value === undefined) return [];
  const [owner] = owners;
  const its = proclaimed.some(({ input, outcome, output, invokedUs }) => {
    if (input["value"] !== value || outcome === "error" || invokedUs >= read.returnedUs) return false;
    // A session's name is not known before it is told.
    const name = outcome === "ok" ? output["owner"] : input["owner"];
    return owners.length === 1 && (name === undefined || name === owner);
  });
  if (its) return [];
  const what = `${lock} shows ${owners.join(", ") || "nobody"} with ${value}, which that one never said`;
  return [violation("a value is its holder's", what, read)];
}

/** A hold that certainly stands is shown with a value that none that was acknowledged later has replaced. */
function outdated({ read, value, owners, token }: Shown, grants: readonly Grant[], holds: Holds): Violation[] {
  const standing = grants.find(
    (grant) => grant.token === token && grant.returnedUs < read.invokedUs && owners.includes(grant.owner),
  );
  if (standing === undefined || holds.standsUntilUs(standing) <= read.returnedUs) return [];
  const { acquires, releases, grants: its } = holds.of(standing.lock, standing.principal);
  // In another life it may have said something else.
  if (its.some((grant) => grant.token !== token)) return [];
  if (releases.some(({ invokedUs }) => invokedUs < read.returnedUs)) return [];
  const may = acquires.filter(({ outcome, invokedUs, input }) => {
    return outcome !== "error" && invokedUs < read.returnedUs && input["value"] !== undefined;
  });
  const current = may.filter(
    (one) =>
      !may.some(
        (later) => later.outcome === "ok" && later.invokedUs > one.returnedUs && later.returnedUs < read.invokedUs,
      ),
  );
  const without =
    value === undefined && !may.some(({ outcome, returnedUs }) => outcome === "ok" && returnedUs < read.invokedUs);
  if (without || current.some(({ input }) => input["value"] === value)) return [];
  const values = current.map(({ input }) => String(input["value"]));
  const what = `${described(standing)} said ${values.join(" or ") || "nothing"}, and a read shows ${String(value)}`;
  return [violation("the value that was said last is shown", what, ...current, read)];
}

/** Revisions never fall in real time, are of one state each, and are no larger than the index they are read at. */
export const checkRevisions: Check = ({ holds }) =>
  [...Map.groupBy(shownLocks(holds), ({ lock }) => lock).values()].flatMap((ofOne) => {
    // A lock that nobody holds has none.
    const shown = ofOne.filter(({ revision }) => revision > 0);
    return [...falls(shown), ...doubles(shown), ...ofOne.flatMap(impossible)];
  });

function falls(shown: readonly Shown[]): Violation[] {
  const found: Violation[] = [];
  const byReturn = shown.toSorted((a, b) => a.read.returnedUs - b.read.returnedUs);
  let newest: Shown | undefined;
  let returned = 0;
  for (const { read, revision, lock } of shown) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if (next.read.returnedUs >= read.invokedUs) break;
      if (next.revision > (newest?.revision ?? 0)) newest = next;
    }
    if (newest === undefined || newest.revision <= revision) continue;
    const what = `${lock} has revision ${revision} after a read had shown ${newest.revision}`;
    found.push(violation("revisions never fall", what, newest.read, read));
  }
  return found;
}

function doubles(shown: readonly Shown[]): Violation[] {
  const known = new Map<number, Shown>();
  return shown.flatMap((one) => {
    const other = known.get(one.revision);
    known.set(one.revision, other ?? one);
    if (other === undefined || stateOf(other) === stateOf(one)) return [];
    const what = `revision ${one.revision} of ${one.lock} is ${stateOf(other)}, and ${stateOf(one)}`;
    return [violation("a revision is of one state", what, other.read, one.read)];
  });
}

function stateOf({ owners, token, value }: Shown): string {
  return JSON.stringify({ owners, token, value });
}

function impossible({ read, lock, owners, revision }: Shown): Violation[] {
  const index = Number(read.output["as_of_index"]);
  if (revision <= index && owners.length > 0 === revision > 0) return [];
  const what = `${lock} is shown as of index ${index} with revision ${revision} and ${owners.length} holders`;
  return [violation("a revision is of one state", what, read)];
}

/** An observer is not answered with the revision that it knows before its time is over, unless the node is stopped, or has left. */
export const checkObservers: Check = ({ holds, records }) => {
  const stops = records.filter((record) => record.type === "fault");
  return shownLocks(holds).flatMap(({ read, lock, revision }) => {
    const { wait, after } = read.input;
    if (typeof wait !== "number" || after !== revision) return [];
    const [attempt] = read.attempts;
    const waitedUs = read.returnedUs - read.invokedUs;
    if (attempt === undefined || waitedUs + EARLY_US >= wait * 1e6) return [];
    if (stops.some((stop) => wasStopped(stop, attempt.node, read))) return [];
    const what = `an observer of ${lock} was told what it knew after ${Math.round(waitedUs / 1_000)} ms of ${wait * 1_000}`;
    return [violation("an observer waits for another revision", what, read)];
  });
};

function wasStopped(stop: HistoryRecord, node: string, { invokedUs, returnedUs }: Request): boolean {
  if (stop.type !== "fault") return false;
  const stopped = stop.fault === "rolling" ? stop.nodes : stop.may_end;
  if (stopped?.includes(node) !== true) return false;
  return stop.from_us <= returnedUs && stop.to_us >= invokedUs;
}

/** In the order in which they were asked. */
function shownLocks({ requests }: Holds): Shown[] {
  return requests
    .filter(({ operation, outcome }) => operation === "locks.inspect" && outcome === "ok")
    .map((read) => shownBy(read, read.output));
}

function shownBy(read: Request, state: Fields): Shown {
  const { value, fencing_token: token } = state;
  return {
    ...{ read, lock: String(state["lock_name"]), revision: Number(state["revision"]) },
    value: typeof value === "string" ? value : undefined,
    owners: state["owners"] as readonly string[],
    token: typeof token === "number" ? token : undefined,
  };
}
