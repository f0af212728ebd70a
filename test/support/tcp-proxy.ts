import type { Socket, TCPSocketListener } from "bun";

export type Direction = "toTarget" | "fromTarget";

/** One way through the proxy. What the sink does not take is held; meanwhile the source is not read. */
class Flow {
  private held: Uint8Array | undefined;
  private sourceClosed = false;
  source: Socket<Pair> | undefined;
  sink: Socket<Pair> | undefined;

  constructor(private readonly isBlocked: () => boolean) {}

  onData(chunk: Uint8Array): void {
    // A socket that is reset hands over its last bytes although it is paused.
    const bytes = this.held === undefined ? chunk : Buffer.concat([this.held, chunk]);
    this.held = Uint8Array.from(bytes);
    this.pump();
  }

  onClose(): void {
    this.sourceClosed = true;
    this.pump();
  }

  /** Moves on what can be moved, and stops or starts reading accordingly. */
  pump(): void {
    if (this.isBlocked() || this.sink === undefined) {
      this.source?.pause();
      return;
    }
    if (this.held !== undefined) {
      const written = this.sink.write(this.held);
      if (written < 0) {
        this.source?.terminate();
        return;
      }
      this.held = written === this.held.length ? undefined : this.held.subarray(written);
    }
    if (this.held !== undefined) this.source?.pause();
    else if (this.sourceClosed) this.sink.end();
    else this.source?.resume();
  }
}

/** A client's connection and the one to the target that goes with it. */
class Pair {
  readonly toTarget: Flow;
  readonly fromTarget: Flow;
  /** Who has made the connection, as soon as that is known. */
  dialer: string | undefined;
  /** The connection to the target has been asked for. */
  dialed = false;
  clientClosed = false;
  targetClosed = false;

  constructor(isBlocked: (direction: Direction, dialer: string | undefined) => boolean) {
    this.toTarget = new Flow(() => isBlocked("toTarget", this.dialer));
    this.fromTarget = new Flow(() => isBlocked("fromTarget", this.dialer));
  }

  attachClient(client: Socket<Pair>): void {
    this.toTarget.source = client;
    this.fromTarget.sink = client;
  }

  attachTarget(target: Socket<Pair>): void {
    this.fromTarget.source = target;
    this.toTarget.sink = target;
  }

  pump(): void {
    this.toTarget.pump();
    this.fromTarget.pump();
  }

  reset(): void {
    this.toTarget.source?.terminate();
    this.fromTarget.source?.terminate();
  }
}

/**
 * Stands between two processes and plays the network's faults: silence (in one or both directions) and reset
 * connections. What is blocked is left unread in the kernel, so memory stays bounded and the sender feels it.
 */
export class TcpProxy {
  private readonly server: TCPSocketListener<Pair>;
  private readonly pairs = new Set<Pair>();
  private readonly blocked = new Set<Direction>();
  /** What is blocked for one of those who dial, by its name. */
  private readonly blockedOf = new Map<string, Set<Direction>>();
  /** Connections that clients have made so far. */
  accepted = 0;

  /** @param dialerOf who dials, by the first bytes that come; nothing passes before they have come */
  constructor(
    private readonly targetHost: string,
    private readonly targetPort: number,
    private readonly dialerOf?: (bytes: Uint8Array) => string,
  ) {
    this.server = Bun.listen<Pair>({
      hostname: "127.0.0.1",
      port: 0,
      socket: {
        open: (client) => this.onClient(client),
        data: (client, chunk) => {
          this.identify(client.data, chunk);
          client.data.toTarget.onData(chunk);
        },
        drain: (client) => client.data.fromTarget.pump(),
        close: (client) => {
          client.data.clientClosed = true;
          client.data.toTarget.onClose();
          if (client.data.targetClosed) this.pairs.delete(client.data);
        },
        error: () => {},
      },
    });
  }

  get port(): number {
    return this.server.port;
  }

  /** Connections stall silently: nothing is forwarded, nothing is closed. New ones are accepted and stalled. */
  block(): void {
    this.blockDirection("toTarget");
    this.blockDirection("fromTarget");
  }

  /** @param dialer of whose connections; of all where nobody is named */
  blockDirection(direction: Direction, dialer?: string): void {
    this.directions(dialer).add(direction);
    for (const pair of this.pairs) pair.pump();
  }

  /** Everything flows again, what was held back first. */
  heal(): void {
    this.blocked.clear();
    this.blockedOf.clear();
    this.resume();
  }

  unblockDirection(direction: Direction, dialer?: string): void {
    if (this.directions(dialer).delete(direction)) this.resume();
  }

  /** Resets all connections. New ones pass. */
  cut(): void {
    for (const pair of this.pairs) pair.reset();
    this.pairs.clear();
  }

  close(): void {
    this.server.stop();
    this.cut();
  }

  private resume(): void {
    for (const pair of this.pairs) {
      // Whoever gave up in the meantime never reached the target.
      if (pair.clientClosed && !pair.dialed) this.pairs.delete(pair);
      else this.dial(pair);
      if (pair.dialed) pair.pump();
    }
  }

  private directions(dialer: string | undefined): Set<Direction> {
    if (dialer === undefined) return this.blocked;
    const known = this.blockedOf.get(dialer) ?? new Set();
    this.blockedOf.set(dialer, known);
    return known;
  }

  private readonly isBlocked = (direction: Direction, dialer: string | undefined): boolean =>
    this.blocked.has(direction) || (dialer !== undefined && this.blockedOf.get(dialer)?.has(direction) === true);

  private identify(pair: Pair, bytes: Uint8Array): void {
    if (this.dialerOf === undefined || pair.dialer !== undefined) return;
    pair.dialer = this.dialerOf(bytes);
    this.dial(pair);
  }

  private onClient(client: Socket<Pair>): void {
    this.accepted++;
    const pair = new Pair(this.isBlocked);
    client.data = pair;
    client.setNoDelay(true);
    pair.attachClient(client);
    this.pairs.add(pair);
    // Whoever is not known yet is read.
    if (this.dialerOf === undefined) pair.toTarget.pump();
    this.dial(pair);
  }

  /** If anything may pass. */
  private dial(pair: Pair): void {
    if (pair.dialed || (this.dialerOf !== undefined && pair.dialer === undefined)) return;
    const { dialer } = pair;
    if (this.isBlocked("toTarget", dialer) && this.isBlocked("fromTarget", dialer)) return;
    pair.dialed = true;
    Bun.connect<Pair>({
      hostname: this.targetHost,
      port: this.targetPort,
      data: pair,
      socket: {
        open: (target) => {
          target.setNoDelay(true);
          if (!this.pairs.has(pair)) target.terminate();
          pair.attachTarget(target);
          pair.pump();
        },
        data: (_target, chunk) => pair.fromTarget.onData(chunk),
        drain: () => pair.toTarget.pump(),
        close: () => {
          pair.targetClosed = true;
          pair.fromTarget.onClose();
          if (pair.clientClosed) this.pairs.delete(pair);
        },
        error: () => {},
      },
    }).catch(() => {
      pair.targetClosed = true;
      pair.reset();
    });
  }
}
