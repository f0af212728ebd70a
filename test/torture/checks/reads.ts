import type { Grant, Holds } from "../holds.ts";
import type { Fields } from "../history.ts";
import type { Request } from "../requests.ts";
import { described } from "./tokens.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** One lock as a linearizable read showed it. */
interface Shown {
  readonly read: Request;
  readonly lock: string;
  readonly owners: readonly string[];
  readonly token: number | undefined;
}

/** The index as of which reads are answered never falls in real-time order, whichever nodes answer. */
export const checkReadOrder: Check = ({ holds }) => {
  const reads = holds.requests.filter((request) => indexOf(request) !== undefined);
  const byReturn = reads.toSorted((a, b) => a.returnedUs - b.returnedUs);
  const found: Violation[] = [];
  let newest: Request | undefined;
  let returned = 0;
  for (const read of reads) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if (next.returnedUs >= read.invokedUs) break;
      if ((indexOf(next) ?? 0) > (newest === undefined ? 0 : (indexOf(newest) ?? 0))) newest = next;
    }
    if (newest === undefined || (indexOf(newest) ?? 0) <= (indexOf(read) ?? 0)) continue;
    const what = `read as of index ${indexOf(read)} after one as of ${indexOf(newest)} had returned`;
    found.push(violation("reads are linearizable", what, newest, read));
  }
  return found;
};

/** A read shows every hold that certainly stood, and none that was never given or is certainly over. */
export const checkReadHolds: Check = ({ holds }) => {
  const grants = Map.groupBy(holds.grants, ({ lock }) => lock);
  const shown = shownLocks(holds, [...grants.keys()]);
  const missing = [...Map.groupBy(shown, ({ lock }) => lock)].flatMap(([lock, reads]) =>
    lost(reads, grants.get(lock) ?? [], holds),
  );
  return [...missing, ...shown.flatMap((read) => ghosts(read, holds))];
};

/** @param shown of one lock */
function lost(shown: readonly Shown[], grants: readonly Grant[], holds: Holds): Violation[] {
  const found: Violation[] = [];
  const byReturn = grants.toSorted((a, b) => a.returnedUs - b.returnedUs);
  let standing: Grant[] = [];
  let newest: Grant | undefined;
  let returned = 0;
  for (const { read, lock, owners, token } of shown) {
    for (let next = byReturn[returned]; next !== undefined; next = byReturn[++returned]) {
      if (next.returnedUs >= read.invokedUs) break;
      if (next.token > (newest?.token ?? 0)) newest = next;
      standing.push(next);
    }
    if (newest !== undefined && token !== undefined && token < newest.token) {
      found.push(violation("tokens rise", `${lock} has ${token} after ${described(newest)}`, newest.request, read));
    }
    standing = standing.filter((grant) => holds.standsUntilUs(grant) > read.invokedUs);
    for (const grant of standing) {
      const shows = owners.includes(grant.owner) && token === grant.token;
      if (shows || holds.standsUntilUs(grant) <= read.returnedUs) continue;
      const what = `${described(grant)} stood, and a read shows ${owners.join(", ") || "nobody"} with ${String(token)}`;
      found.push(violation("an acknowledged hold is not lost", what, grant.request, read));
    }
  }
  return found;
}

function ghosts({ read, lock, owners }: Shown, holds: Holds): Violation[] {
  const rule = "nobody holds what nobody was given";
  return owners.flatMap((owner) => {
    const { acquires, releases } = holds.of(lock, `owner:${owner}`);
    // Sessions and one-shot requests are shown by names that say nothing of who asked.
    if (acquires.length === 0) return [];
    const may = acquires.filter(({ outcome, invokedUs }) => outcome !== "error" && invokedUs < read.returnedUs);
    if (may.length === 0) {
      return [violation(rule, `${owner} is shown to hold ${lock}, which it was refused`, ...acquires, read)];
    }
    const over = releases.find(
      ({ outcome, returnedUs, invokedUs }) =>
        outcome === "ok" && returnedUs < read.invokedUs && may.every((acquire) => acquire.returnedUs < invokedUs),
    );
    if (over === undefined) return [];
    return [violation(rule, `${owner} is shown to hold ${lock} after its release`, over, read)];
  });
}

/** In the order in which they were asked. @param known locks, which a whole list without them shows as free */
function shownLocks({ requests }: Holds, known: readonly string[]): Shown[] {
  return requests.flatMap((read) => {
    const { operation, input, output } = read;
    if (read.outcome !== "ok") return [];
    if (operation === "locks.inspect") return [shownLock(read, String(output["lock_name"]), output)];
    if (operation !== "locks.list") return [];
    const listed = output["locks"] as Record<string, Fields>;
    const whole = output["next"] === undefined && Object.keys(input).length === 0;
    const free = whole ? known.filter((lock) => !Object.hasOwn(listed, lock)) : [];
    return [
      ...Object.entries(listed).map(([lock, state]) => shownLock(read, lock, state)),
      ...free.map((lock) => shownLock(read, lock, { owners: [] })),
    ];
  });
}

function shownLock(read: Request, lock: string, state: Fields): Shown {
  const token = state["fencing_token"];
  const owners = state["owners"] as string[];
  return { read, lock, owners, token: typeof token === "number" ? token : undefined };
}

function indexOf({ outcome, output }: Request): number | undefined {
  const index = output["as_of_index"];
  return outcome === "ok" && typeof index === "number" ? index : undefined;
}
