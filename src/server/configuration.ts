/** What one node is started with, checked. Made by `cli/` from flags, environment and defaults. */
export interface NodeConfiguration {
  readonly nodeId: string;
  readonly clusterName: string;
  readonly listen: HostPort;
  readonly peerListen: HostPort;
  /** Client address as others reach it. */
  readonly advertise: HostPort;
  /** Every voter of the first membership, this node included, by node id. */
  readonly members: ReadonlyMap<string, HostPort>;
  readonly dataDirectory: string;
  /** Allows addresses beyond loopback without TLS. */
  readonly insecure: boolean;
  readonly heartbeatIntervalMs: number;
  /** Election time-outs are drawn from [this, 2 × this). */
  readonly electionTimeoutMs: number;
}

/** A host without brackets, and a port in 0…65535. */
export interface HostPort {
  readonly host: string;
  readonly port: number;
}
