import { existsSync } from "node:fs";
import { join } from "node:path";
import { decodeIdentity, IDENTITY_FILE } from "../io/directory-identity.ts";
import { readFileIfThere } from "../io/durable-file.ts";
import { PEERS_FILE, PeerIncarnations } from "../io/peer-incarnations.ts";

/** What a data directory says of its cluster, to somebody who does not use it. */
export interface SurveyedData {
  /** Ids of the nodes with which its cluster began; undefined: it joined later. */
  readonly founders: readonly string[] | undefined;
  /** An earlier release made it, and wrote down nothing of this: the node has to be told. */
  readonly isOld: boolean;
  /** Founders that this node has met: it refuses them with other data than they had then (PROTOCOLS M1). */
  readonly met: readonly string[];
}

/** @returns undefined when there is nothing yet that a node could have written */
export function surveyData(dataDirectory: string): SurveyedData | undefined {
  if (!existsSync(dataDirectory)) return undefined;
  const text = readFileIfThere(join(dataDirectory, IDENTITY_FILE));
  if (text === undefined) return undefined;
  const { membership } = decodeIdentity(text) ?? {};
  // What is damaged its own node says, better than anybody else could.
  if (membership === undefined) return { founders: undefined, isOld: true, met: [] };
  const nodes = membership.facts?.nodes ?? new Map();
  const known = new PeerIncarnations(join(dataDirectory, PEERS_FILE), nodes);
  const nodeIds = (replicas: readonly number[]): string[] => replicas.flatMap((each) => nodes.get(each)?.nodeId ?? []);
  const met = membership.voters.filter((replica) => known.known(replica) !== undefined);
  const founders = membership.voters.length === 0 ? undefined : nodeIds(membership.voters);
  return { founders, isOld: false, met: nodeIds(met) };
}
