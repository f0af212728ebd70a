import { StartError } from "../kernel/start-error.ts";
import type { NodeFacts, ReplicaId } from "../raft/types.ts";
import { isIncarnation, parseObject } from "./directory-identity.ts";
import { readFileIfThere, writeFileDurably } from "./durable-file.ts";

export const PEERS_FILE = "peers.json";

/**
 * The incarnations of the other replicas, as `peers.json` keeps them. One is durable before its vote is asked for or
 * counted (PROTOCOLS M1), so a node that lost its disk is told from the one that voted before.
 */
export class PeerIncarnations {
  private incarnations: ReadonlyMap<ReplicaId, number>;
  private alone: boolean;

  /**
   * @param nodes of the first configuration: earlier releases wrote the ids of nodes, which had one replica each
   * @throws {StartError} when the file is damaged: forgetting an incarnation would let a wiped node vote
   */
  constructor(
    private readonly file: string,
    nodes: ReadonlyMap<ReplicaId, NodeFacts> = new Map(),
  ) {
    const text = readFileIfThere(file);
    const found = text === undefined ? NONE : decode(text, nodes);
    if (found === undefined) {
      throw new StartError(
        `The file ${file} is damaged: restore the data directory from a backup or replace the node.`,
      );
    }
    ({ incarnations: this.incarnations, alone: this.alone } = found);
  }

  get hasMet(): boolean {
    return this.incarnations.size > 0;
  }

  /**
   * All others have left: what this node's log holds is nowhere else. ↯ Three nodes shrink to one, which goes on for a year; a bit of
   * its log flips, and it begins anew, to be refilled by nobody.
   */
  get isAlone(): boolean {
    return this.alone;
  }

  known(replica: ReplicaId): number | undefined {
    return this.incarnations.get(replica);
  }

  /** Durable on return. Those of replicas that have left are kept: few leave, and their ids never come back. */
  remember(replica: ReplicaId, incarnation: number): void {
    if (this.incarnations.get(replica) === incarnation) return;
    this.write(new Map(this.incarnations).set(replica, incarnation), this.alone);
  }

  /** Durable on return. */
  rememberAlone(alone: boolean): void {
    if (this.alone !== alone) this.write(this.incarnations, alone);
  }

  private write(incarnations: ReadonlyMap<ReplicaId, number>, alone: boolean): void {
    const value = { replicas: Object.fromEntries(incarnations), ...(alone && { alone }) };
    writeFileDurably(this.file, `${JSON.stringify(value, undefined, 2)}\n`);
    this.incarnations = incarnations;
    this.alone = alone;
  }
}

interface Known {
  readonly incarnations: ReadonlyMap<ReplicaId, number>;
  readonly alone: boolean;
}

const NONE: Known = { incarnations: new Map(), alone: false };

function decode(text: string, nodes: ReadonlyMap<ReplicaId, NodeFacts>): Known | undefined {
  const value = parseObject(text);
  if (value === undefined) return undefined;
  const { replicas, alone } = value;
  const isByReplica = typeof replicas === "object" && replicas !== null;
  const known = new Map<ReplicaId, number>();
  for (const [key, incarnation] of Object.entries(isByReplica ? replicas : value)) {
    const replica = isByReplica ? Number(key) : replicaOf(key, nodes);
    if (!isIncarnation(incarnation) || (replica !== undefined && !isIncarnation(replica))) return undefined;
    if (replica !== undefined) known.set(replica, incarnation);
  }
  return { incarnations: known, alone: isByReplica && alone === true };
}

function replicaOf(nodeId: string, nodes: ReadonlyMap<ReplicaId, NodeFacts>): ReplicaId | undefined {
  for (const [replica, node] of nodes) if (node.nodeId === nodeId) return replica;
  return undefined;
}
