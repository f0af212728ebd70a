import { join } from "node:path";
import { limits } from "../kernel/limits.ts";
import { StartError } from "../kernel/start-error.ts";
import type { Configuration, ReplicaId } from "../raft/types.ts";
import { decodeMembership, encodeMembership } from "./directory-membership.ts";
import { readFileIfThere, writeFileDurably } from "./durable-file.ts";

/** Of everything in the data directory; the log's files have a format of their own. */
const DATA_FORMAT = 1;
/** What `VERSION` holds. */
export const VERSION_TEXT = `mufakat data ${DATA_FORMAT}\n`;

/** Who a data directory belongs to. */
export interface DirectoryIdentity {
  readonly clusterId: string;
  readonly clusterName: string;
  readonly nodeId: string;
  /** Random, made with the directory: a node that was wiped is another one (PROTOCOLS M1). 1…2⁵³−1. */
  readonly incarnation: number;
  /** What this node is in its cluster; undefined: the cluster has not said so yet. */
  readonly replica: ReplicaId | undefined;
  /**
   * Who belongs to the cluster while log and snapshots say nothing of it: the first configuration or, with no voters, the
   * nodes that a node which joins was told of. Undefined: an earlier release wrote the file.
   */
  readonly membership: Configuration | undefined;
  /** Groups beside the control group, 1…shards: fixed when the cluster begins. An earlier release knew none. */
  readonly shards: number;
}

/** What the directory of a node is to belong to, as far as the person who starts it says so. */
export interface WantedIdentity {
  readonly nodeId: string;
  readonly clusterName: string | undefined;
  /** Of the cluster that a first start of the named nodes makes. */
  readonly clusterId: string | undefined;
}

/** Of a directory that is new: everything but its incarnation. */
export type FreshIdentity = Omit<DirectoryIdentity, "incarnation">;

/**
 * Reads `VERSION`, or writes it into a directory that is new.
 *
 * @param isNew nothing else of ours is there
 * @throws {StartError} for a newer format and for a directory that is not ours
 */
export function checkVersion(path: string, isNew: boolean): void {
  const file = join(path, "VERSION");
  const text = readFileIfThere(file);
  if (text === undefined && isNew) {
    writeFileDurably(file, VERSION_TEXT);
    return;
  }
  const format = /^mufakat data (\d{1,9})\n$/.exec(text ?? "")?.[1];
  if (format === undefined) {
    throw new StartError(`The file ${file} is ${text === undefined ? "missing" : "damaged"}: ${RESTORE}.`);
  }
  if (Number(format) > DATA_FORMAT) {
    throw new StartError(
      `The data directory ${path} has format ${format} and this release knows formats up to ${DATA_FORMAT}: start the newer release.`,
    );
  }
}

/**
 * Reads `identity.json`, or writes it into a directory that is new.
 *
 * @param fresh undefined: nothing can be made here
 * @throws {StartError} when the directory is of another cluster or another node
 */
export function claimIdentity(
  path: string,
  wanted: WantedIdentity,
  fresh: (() => DirectoryIdentity) | undefined,
): DirectoryIdentity {
  const file = join(path, IDENTITY_FILE);
  const text = readFileIfThere(file);
  if (text === undefined && fresh !== undefined) {
    const identity = fresh();
    writeFileDurably(file, encode(identity));
    return identity;
  }
  const found = text === undefined ? undefined : decodeIdentity(text);
  if (found === undefined) {
    throw new StartError(`The file ${file} is ${text === undefined ? "missing" : "damaged"}: ${RESTORE}.`);
  }
  refuseOther(path, found, wanted);
  return found;
}

/** Durable on return. */
export function rewriteIdentity(path: string, identity: DirectoryIdentity): void {
  writeFileDurably(join(path, IDENTITY_FILE), encode(identity));
}

export const IDENTITY_FILE = "identity.json";
const RESTORE = "restore the data directory from a backup or replace the node";

function refuseOther(path: string, found: DirectoryIdentity, wanted: WantedIdentity): void {
  if (wanted.clusterName !== undefined && found.clusterName !== wanted.clusterName) {
    throw new StartError(
      `The data directory ${path} belongs to cluster "${found.clusterName}", not to "${wanted.clusterName}": choose another --data or --cluster.`,
    );
  }
  if (found.nodeId !== wanted.nodeId) {
    throw new StartError(
      `The data directory ${path} belongs to node "${found.nodeId}", not to "${wanted.nodeId}": choose another --data or node id.`,
    );
  }
  // One that says itself who belongs to its cluster needs nobody to say it.
  if (found.membership !== undefined || wanted.clusterId === undefined || found.clusterId === wanted.clusterId) return;
  throw new StartError(
    `The data directory ${path} was made for cluster "${found.clusterName}" with other members: start the same ones as then (--nodes of "up", --peers of "serve") or choose another --data.`,
  );
}

function encode(identity: DirectoryIdentity): string {
  const { clusterId, clusterName, nodeId, incarnation, replica, membership, shards } = identity;
  const wire = {
    ...{ cluster_id: clusterId, cluster_name: clusterName, node_id: nodeId, incarnation, replica },
    membership: membership === undefined ? undefined : encodeMembership(membership),
    // Without shards the file is as earlier releases wrote it.
    shards: shards === 0 ? undefined : shards,
  };
  return `${JSON.stringify(wire, undefined, 2)}\n`;
}

/** @returns undefined for what is damaged */
export function decodeIdentity(text: string): DirectoryIdentity | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { cluster_id: clusterId, cluster_name: clusterName, node_id: nodeId, incarnation, replica, shards = 0 } = value;
  if (typeof clusterId !== "string" || typeof clusterName !== "string" || typeof nodeId !== "string") return undefined;
  const membership = decodeMembership(value["membership"]);
  const isSound = isIncarnation(incarnation) && (replica === undefined || isIncarnation(replica)) && isShards(shards);
  if (!isSound || membership === "damaged") return undefined;
  return { clusterId, clusterName, nodeId, incarnation, replica, membership, shards };
}

export function isIncarnation(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value > 0;
}

function isShards(value: unknown): value is number {
  return typeof value === "number" && Number.isInteger(value) && value >= 0 && value <= limits.maxShards;
}

/** @returns undefined for anything but a JSON object */
export function parseObject(text: string): Readonly<Record<string, unknown>> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  return typeof value === "object" && value !== null && !Array.isArray(value) ? { ...value } : undefined;
}
