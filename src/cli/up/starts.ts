import type { SurveyedData } from "../../server/data-survey.ts";

/** How a node of `up` starts. */
export type NodeStart =
  /** With these, itself among them, it makes the cluster, or made it once. */
  | { readonly type: "found"; readonly founders: readonly string[] }
  /** Its data says where it belongs. These have data, too: they may have other ports than last time. */
  | { readonly type: "resume"; readonly nodes: readonly string[] }
  /** It asks that node, which has data, to be let into its cluster. */
  | { readonly type: "join"; readonly through: string };

/**
 * Nodes without data make a cluster only with others that have none, or where the first start of a cluster was cut short: a
 * founder that nobody has met yet has promised nothing. All others join, and so does one whose data was wiped, which then has to
 * wait for `cluster replace`.
 *
 * @param data of each node that is to be started, by id; undefined: it has none
 */
export function nodeStarts(data: ReadonlyMap<string, SurveyedData | undefined>): (id: string) => NodeStart {
  const ids = [...data.keys()];
  const through = ids.find((id) => data.get(id) !== undefined);
  const surveyed = [...data.values()].filter((each) => each !== undefined);
  const founders = surveyed.find((each) => each.founders !== undefined)?.founders;
  const met = new Set(surveyed.flatMap((each) => each.met));
  return (id) => {
    const own = data.get(id);
    if (through === undefined || own?.isOld === true) return { type: "found", founders: ids };
    if (own !== undefined) return { type: "resume", nodes: ids.filter((other) => data.get(other) !== undefined) };
    const isAwaited = founders?.includes(id) === true && founders.every((other) => ids.includes(other)) && !met.has(id);
    return isAwaited ? { type: "found", founders } : { type: "join", through };
  };
}
