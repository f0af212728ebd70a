/** Where one node of a cluster runs. */
export interface Place {
  readonly host: string;
  readonly clientPort: number;
  readonly peerPort: number;
  /** For its data; the node makes it. */
  readonly directory: string;
}

/** What one node says of the cluster. */
export interface NodeView {
  readonly id: string;
  /** The id of the leader; undefined while the node knows none. */
  readonly leader: string | undefined;
}

/** A client with a connection of its own to one node. */
export interface LockClient {
  /** Takes what nobody else has, and gives it back: each durable on a majority. @throws when either is not confirmed */
  pair(name: string): Promise<void>;
  /** A pair that runs fails. */
  close(): void;
}

/** Nodes that are measured: all that differs between ours and a peer's. The rest is one code for both. */
export interface NodeSystem {
  readonly name: string;
  command(places: readonly Place[], index: number): string[];
  /** @returns undefined when the node does not answer within half a second */
  view(place: Place, index: number): Promise<NodeView | undefined>;
  /** Once, when the cluster has a leader. */
  prepare(place: Place): Promise<void>;
}

/** Nodes that keep locks. */
export interface System extends NodeSystem {
  connect(place: Place): Promise<LockClient>;
}

export async function askNode<Reply>(
  url: string,
  options: { method: string; body?: string },
): Promise<Reply | undefined> {
  try {
    const response = await fetch(url, { ...options, signal: AbortSignal.timeout(500) });
    return (await response.json()) as Reply;
  } catch {
    return undefined;
  }
}
