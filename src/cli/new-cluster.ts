import { resolve } from "node:path";
import type { Founded } from "../server/succession/found-cluster.ts";
import { loadSettings } from "./configuration/load-settings.ts";
import { checkName } from "./configuration/members.ts";
import type { Environment } from "./context.ts";
import { textFlag } from "./text-flag.ts";

/** Flags of commands that make a data directory: as those of `serve`, which is started with it next. */
export interface DataFlags {
  readonly id?: string;
  readonly data?: string;
}

export const dataFlags = {
  id: textFlag("Name of the node (default node1)", "ID"),
  data: textFlag("Its data directory (default .mufakat/ID)", "DIR"),
};

/**
 * From the same places as `serve` takes them.
 *
 * @returns the directory as an absolute path
 * @throws {StartError}
 */
export function nodeAndData(flags: DataFlags, environment: Environment): { nodeId: string; dataDirectory: string } {
  const { settings } = loadSettings("serve", flags, environment);
  const id = settings.find("id");
  const nodeId = id === undefined ? "node1" : checkName(id.text, id.source);
  return { nodeId, dataDirectory: resolve(settings.find("data")?.text ?? `.mufakat/${nodeId}`) };
}

/** Of a new cluster, and what to do with it. */
export function foundedText({ path, identity, generation, tokenFloor }: Founded): string {
  const { clusterName, clusterId, nodeId } = identity;
  return [
    `cluster   ${clusterName}, with a new id ${clusterId}: nodes of the old one are refused`,
    `tokens    generation ${generation}: every new one is larger than ${tokenFloor}, and no old one was`,
    `data      ${path}`,
    "",
    "It has one node. Start it:",
    `  mufakat serve --id ${nodeId} --cluster ${clusterName} --data ${path}`,
    "and then the others, each with an empty --data of its own:",
    `  mufakat serve --id ${nodeId === "node2" ? "node1" : "node2"} --cluster ${clusterName} --data DIR --listen HOST:PORT --join http://127.0.0.1:8001`,
    "",
  ].join("\n");
}

export function countsText({ locks, semaphores, sessions, fences, holds }: Founded["counts"]): string {
  const counts = { lock: locks, semaphore: semaphores, hold: holds, session: sessions, fence: fences };
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}${count === 1 ? "" : "s"}`)
    .join(", ");
}

/** For programs. */
export function foundedJson({ path, identity, generation, tokenFloor, point, counts }: Founded): object {
  return {
    cluster: identity.clusterName,
    cluster_id: identity.clusterId,
    node_id: identity.nodeId,
    data: path,
    generation,
    token_floor: tokenFloor,
    last_index: point.index,
    last_term: point.term,
    ...counts,
  };
}
