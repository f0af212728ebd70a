import { isDeepStrictEqual } from "node:util";
import type { HistoryRecord, RecoveryRecord, ReplicaRecord, ViewRecord } from "../history.ts";
import type { Check, Violation } from "./violation.ts";

/** Of a process that says in one sentence what must be changed before it can start. */
const REFUSED = 78;
/** Until its end is noticed, and what it said last was read. */
const NOTICED_US = 1_000_000;

/** At most one node leads a term, and no node's term ever falls, whatever it goes through; but for one that began anew. */
export const checkLeaders: Check = ({ records }) => {
  const found: Violation[] = [];
  const leaders = new Map<number, ViewRecord>();
  const terms = new Map<string, ViewRecord>();
  for (const view of records) {
    if (view.type !== "view") continue;
    const before = terms.get(view.node);
    if (before !== undefined && before.term > view.term && !wasRenewed(records, view.node, before, view)) {
      const what = `the term of ${view.node} fell from ${before.term} to ${view.term}`;
      found.push({ rule: "terms never fall", what, records: [before.n, view.n] });
    }
    terms.set(view.node, view);
    if (view.role !== "leader") continue;
    const other = leaders.get(view.term);
    if (other !== undefined && other.node !== view.node) {
      const what = `${other.node} and ${view.node} both led term ${view.term}`;
      found.push({ rule: "one leader a term", what, records: [other.n, view.n] });
    }
    leaders.set(view.term, view);
  }
  return found;
};

function wasRenewed(records: readonly HistoryRecord[], node: string, before: ViewRecord, view: ViewRecord): boolean {
  return records.some(
    (record) =>
      record.type === "fault" &&
      record.renewed?.includes(node) === true &&
      record.from_us < view.to_us &&
      record.to_us > before.from_us,
  );
}

/** A node ends when it is told to, when it was removed, or must not start; and at no other time: a broken invariant would end it. */
export const checkExits: Check = ({ records }) => {
  const allowed = records.filter((record) => record.type === "fault" && record.may_end !== undefined);
  const found: Violation[] = [];
  for (const exit of records) {
    if (exit.type !== "exit") continue;
    const { n, node, code, said, at_us } = exit;
    const isDue = allowed.some(
      (fault) =>
        fault.type === "fault" &&
        fault.may_end?.includes(node) &&
        fault.from_us <= at_us &&
        at_us <= fault.to_us + NOTICED_US,
    );
    if (isDue && code === REFUSED) continue;
    const what = `${node} ended with code ${code}${said === undefined ? "" : `: ${said}`}`;
    found.push({ rule: "nodes stay up", what, records: [n] });
  }
  return found;
};

/** Once every fault is over everything works again, in time. */
export const checkRecovery: Check = ({ records }) =>
  records.flatMap((record) => {
    if (record.type !== "recovery" || record.done) return [];
    return [{ rule: "a healed cluster recovers", what: describe(record), records: [record.n] }];
  });

function describe({ what, from_us, to_us }: RecoveryRecord): string {
  return `not within ${((to_us - from_us) / 1e6).toFixed(1)} s: ${what}`;
}

/** At one index all replicas hold the same. */
export const checkReplicas: Check = ({ records }) => {
  const replicas = records.filter((record) => record.type === "replica");
  const [first] = replicas;
  if (first === undefined) return [];
  return replicas
    .filter((replica) => !isDeepStrictEqual(comparable(replica), comparable(first)))
    .map((replica) => ({
      rule: "replicas agree",
      what: `${first.node} and ${replica.node} differ as of index ${first.as_of_index}`,
      records: [first.n, replica.n],
    }));
};

function comparable({ as_of_index, locks, sessions, semaphores }: ReplicaRecord) {
  return { as_of_index, locks, sessions, semaphores };
}
