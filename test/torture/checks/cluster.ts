import { isDeepStrictEqual } from "node:util";
import type { RecoveryRecord, ReplicaRecord, ViewRecord } from "../history.ts";
import type { Check, Violation } from "./violation.ts";

/** At most one node leads a term, and no node's term ever falls, whatever it goes through. */
export const checkLeaders: Check = ({ records }) => {
  const found: Violation[] = [];
  const leaders = new Map<number, ViewRecord>();
  const terms = new Map<string, ViewRecord>();
  for (const view of records) {
    if (view.type !== "view") continue;
    const before = terms.get(view.node);
    if (before !== undefined && before.term > view.term) {
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

/** A node ends when it is told to, and at no other time: a broken invariant would end it. */
export const checkExits: Check = ({ records }) =>
  records
    .filter((record) => record.type === "exit")
    .map(({ n, node, code }) => ({ rule: "nodes stay up", what: `${node} ended with code ${code}`, records: [n] }));

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
