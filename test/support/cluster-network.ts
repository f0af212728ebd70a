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
  /** HOST:PORT at which `from` finds the peer port of `to`. */
  peerAddress(from: string, to: string, peerPort: number): string;
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

  peerAddress(_from: string, _to: string, peerPort: number): string {
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

/** Loopback with a proxy on every way from one node to another. */
export class ProxyNetwork extends LoopbackNetwork {
  /** By `from>to`: the proxy through which `from` reaches `to`. */
  private readonly proxies = new Map<string, TcpProxy>();

  constructor(nodes: readonly NodePlace[]) {
    super();
    for (const from of nodes) {
      for (const to of nodes) {
        if (from !== to) this.proxies.set(`${from.id}>${to.id}`, new TcpProxy("127.0.0.1", to.peerPort));
      }
    }
  }

  override peerAddress(from: string, to: string, peerPort: number): string {
    return `127.0.0.1:${this.proxies.get(`${from}>${to}`)?.port ?? peerPort}`;
  }

  override block(from: string, to: string): void {
    for (const [proxy, direction] of this.ways(from, to)) proxy.blockDirection(direction);
  }

  override unblock(from: string, to: string): void {
    for (const [proxy, direction] of this.ways(from, to)) proxy.unblockDirection(direction);
  }

  override heal(): void {
    for (const proxy of this.proxies.values()) proxy.heal();
  }

  override close(): void {
    for (const proxy of this.proxies.values()) proxy.close();
  }

  /** Bytes from one node to another travel on connections that either of them has made. */
  private ways(from: string, to: string): [TcpProxy, Direction][] {
    const out = this.proxies.get(`${from}>${to}`);
    const back = this.proxies.get(`${to}>${from}`);
    if (out === undefined || back === undefined) throw new Error(`no way from ${from} to ${to}`);
    return [
      [out, "toTarget"],
      [back, "fromTarget"],
    ];
  }
}
