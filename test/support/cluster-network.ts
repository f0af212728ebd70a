import { type Direction, TcpProxy } from "./tcp-proxy.ts";

export interface NodePlace {
  readonly id: string;
  readonly peerPort: number;
}

export type NetworkFactory = (nodes: readonly NodePlace[]) => ClusterNetwork;

/** Where the nodes of a cluster live, and what can come between them. */
export interface ClusterNetwork {
  /** What every node is started with because of this network. */
  readonly flags: readonly string[];
  /** The address on which a node listens, and at which clients reach it. */
  host(id: string): string;
  /** HOST:PORT at which the others find the peer port of a node. */
  peerAddress(id: string, peerPort: number): string;
  /** The command line of a program that runs where the node lives. */
  programAt(id: string, program: readonly string[]): readonly string[];
  /** What `from` sends no longer reaches `to`: silence, no reset. */
  block(from: string, to: string): void;
  unblock(from: string, to: string): void;
  heal(): void;
  close(): void;
}

/** Every node at 127.0.0.1, and nothing between them that could be cut. */
export class LoopbackNetwork implements ClusterNetwork {
  readonly flags: readonly string[] = [];

  host(_id: string): string {
    return "127.0.0.1";
  }

  peerAddress(_id: string, peerPort: number): string {
    return `127.0.0.1:${peerPort}`;
  }

  programAt(_id: string, program: readonly string[]): readonly string[] {
    return program;
  }

  block(_from: string, _to: string): void {
    throw new Error("this cluster was started without a network that can be cut");
  }

  unblock(_from: string, _to: string): void {}

  heal(): void {}

  close(): void {}
}

/** Loopback with a proxy in front of every node, which tells by its greeting who dials. */
export class ProxyNetwork extends LoopbackNetwork {
  private readonly proxies = new Map<string, TcpProxy>();

  constructor(nodes: readonly NodePlace[]) {
    super();
    const ids = nodes.map(({ id }) => id);
    const dialer = (bytes: Uint8Array): string => dialerIn(bytes, ids);
    for (const { id, peerPort } of nodes) this.proxies.set(id, new TcpProxy("127.0.0.1", peerPort, dialer));
  }

  override peerAddress(id: string, peerPort: number): string {
    return `127.0.0.1:${this.proxies.get(id)?.port ?? peerPort}`;
  }

  override block(from: string, to: string): void {
    for (const [proxy, direction, dialer] of this.ways(from, to)) proxy.blockDirection(direction, dialer);
  }

  override unblock(from: string, to: string): void {
    for (const [proxy, direction, dialer] of this.ways(from, to)) proxy.unblockDirection(direction, dialer);
  }

  override heal(): void {
    for (const proxy of this.proxies.values()) proxy.heal();
  }

  override close(): void {
    for (const proxy of this.proxies.values()) proxy.close();
  }

  /** Bytes from one node to another travel on connections that either of them has made. */
  private ways(from: string, to: string): [proxy: TcpProxy, direction: Direction, dialer: string][] {
    const out = this.proxies.get(to);
    const back = this.proxies.get(from);
    if (out === undefined || back === undefined) throw new Error(`no way from ${from} to ${to}`);
    return [
      [out, "toTarget", from],
      [back, "fromTarget", to],
    ];
  }
}

/** The id that stands first in a greeting is the speaker's; behind it comes whom it believes to have reached. */
function dialerIn(bytes: Uint8Array, ids: readonly string[]): string {
  const text = Buffer.from(bytes).toString("latin1");
  const places = ids.map((id) => ({ id, at: text.indexOf(id) })).filter(({ at }) => at >= 0);
  return places.toSorted((a, b) => a.at - b.at)[0]?.id ?? "";
}
