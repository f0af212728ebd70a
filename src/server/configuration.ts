import type { HostPort } from "../kernel/addresses.ts";

export const DEFAULT_CLUSTER_NAME = "mufakat";

/** What one node is started with, checked. Made by `cli/` from flags, environment and defaults. */
export interface NodeConfiguration {
  readonly nodeId: string;
  /** Undefined: as the data directory says, or the default. */
  readonly clusterName: string | undefined;
  readonly listen: HostPort;
  readonly peerListen: HostPort;
  /** Client address as others reach it. */
  readonly advertise: HostPort;
  /** Peer address as the others reach it. */
  readonly peerAddress: HostPort;
  /**
   * Nodes by their ids. Of a cluster that starts for the first time: every voter, this node included; of one that exists: where
   * they are now. Undefined: none were named.
   */
  readonly members: ReadonlyMap<string, HostPort> | undefined;
  /** Client address of a node of a cluster that exists, which this one is to join; undefined: it joins none. */
  readonly join?: string | undefined;
  readonly dataDirectory: string;
  /** Allows addresses beyond loopback without TLS. */
  readonly insecure: boolean;
  readonly heartbeatIntervalMs: number;
  /** Election time-outs are drawn from [this, 2 × this). */
  readonly electionTimeoutMs: number;
}
