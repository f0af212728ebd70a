import { StartError } from "../kernel/start-error.ts";
import { isIncarnation, parseObject } from "./directory-identity.ts";
import { readFileIfThere, writeFileDurably } from "./durable-file.ts";

/**
 * The incarnations of the other nodes, as `peers.json` keeps them. One is durable before its vote is asked for or
 * counted (PROTOCOLS M1), so a node that lost its disk is told from the one that voted before.
 */
export class PeerIncarnations {
  private readonly incarnations: Map<string, number>;

  /** @throws {StartError} when the file is damaged: forgetting an incarnation would let a wiped node vote */
  constructor(private readonly file: string) {
    const text = readFileIfThere(file);
    this.incarnations = new Map();
    if (text === undefined) return;
    const entries = Object.entries(parseObject(text) ?? { damaged: true });
    for (const [nodeId, incarnation] of entries) {
      if (!isIncarnation(incarnation)) {
        throw new StartError(
          `The file ${file} is damaged: restore the data directory from a backup or replace the node.`,
        );
      }
      this.incarnations.set(nodeId, incarnation);
    }
  }

  known(nodeId: string): number | undefined {
    return this.incarnations.get(nodeId);
  }

  /** Durable on return. */
  remember(nodeId: string, incarnation: number): void {
    if (this.incarnations.get(nodeId) === incarnation) return;
    const next = new Map(this.incarnations).set(nodeId, incarnation);
    writeFileDurably(this.file, `${JSON.stringify(Object.fromEntries(next), undefined, 2)}\n`);
    this.incarnations.set(nodeId, incarnation);
  }
}
