import type { TCPSocketListener } from "bun";
import { StartError } from "../kernel/start-error.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { Greeting, Refusal } from "./peer-handshake.ts";
import { IncomingConnection, type IncomingEvents } from "./peer-incoming.ts";
import { formatAddress, type PeerAddress, type PeerContext, type PeerMember } from "./peer-options.ts";
import { errorCode, rethrow } from "./peer-socket.ts";

export interface ListenerEvents {
  /** Checks and remembers who dialed. A refusal is told to the peer, undefined only cuts. */
  admit(greeting: Greeting): PeerMember | Refusal | undefined;
  /** The peer has a valid incoming connection from now on. */
  onAccepted(member: PeerMember): void;
  /** @returns false when the frame cannot be decoded */
  onFrame(member: PeerMember, frame: Uint8Array): boolean;
  onRefused(member: PeerMember, refusal: Refusal): void;
}

/** Accepts the peers' connections: one for each peer, the newest valid one. */
export class PeerListener {
  private server: TCPSocketListener<IncomingConnection> | undefined;
  private readonly accepted = new Map<ReplicaId, IncomingConnection>();
  /** Invariant: size ≤ maxPendingHandshakes. */
  private readonly pending = new Set<IncomingConnection>();
  private events: ListenerEvents | undefined;

  constructor(
    private readonly context: PeerContext,
    private readonly address: PeerAddress,
  ) {}

  /**
   * Takes the address; connections are cut off until {@link start}.
   *
   * @returns the address with its actual port
   * @throws {StartError}
   */
  listen(): PeerAddress {
    const { host, port } = this.address;
    try {
      this.server = Bun.listen<IncomingConnection>({
        hostname: host,
        port,
        exclusive: true,
        socket: {
          open: (socket) => {
            socket.data = new IncomingConnection(this.context, socket, this.incomingEvents);
            this.onOpen(socket.data);
          },
          data: (socket, chunk) => socket.data.onData(chunk),
          drain: (socket) => socket.data.onDrain(),
          close: (socket) => socket.data.end("the peer closed the connection"),
          error: (_socket, error) => rethrow(error),
        },
      });
    } catch (error) {
      throw new StartError(
        `It is not possible to listen for peers on ${formatAddress(this.address)}, since ${explain(error)} with --peer-listen HOST:PORT.`,
      );
    }
    return { host, port: this.server.port };
  }

  start(events: ListenerEvents): void {
    this.events = events;
  }

  stop(): void {
    this.events = undefined;
    this.server?.stop();
    for (const incoming of [...this.pending, ...this.accepted.values()]) incoming.end("this node stops");
  }

  /** The incarnation of a connection that showed life lately. */
  liveIncarnation(replica: ReplicaId): string | undefined {
    const incoming = this.accepted.get(replica);
    return incoming?.lively === true ? incoming.greeting?.incarnation : undefined;
  }

  /** The replica has left. */
  drop(replica: ReplicaId): void {
    this.accepted.get(replica)?.end("the node was removed");
  }

  /** Called every keepalive interval. */
  tick(): void {
    for (const incoming of this.accepted.values()) incoming.tick();
  }

  private onOpen(incoming: IncomingConnection): void {
    if (this.events === undefined || this.pending.size >= this.context.bounds.maxPendingHandshakes) {
      incoming.end("not accepting now");
      return;
    }
    this.pending.add(incoming);
    incoming.open();
  }

  private readonly incomingEvents: IncomingEvents = {
    admit: (greeting) => this.events?.admit(greeting),
    onAccepted: (incoming, member) => {
      this.pending.delete(incoming);
      const older = this.accepted.get(member.replica);
      this.accepted.set(member.replica, incoming);
      // The peer redialed: what it still had in the older connection is lost, as in any cut.
      older?.end("replaced by a newer connection");
      this.events?.onAccepted(member);
    },
    onFrame: (member, frame) => this.events?.onFrame(member, frame) ?? false,
    onRefused: (member, refusal) => this.events?.onRefused(member, refusal),
    onEnd: (incoming) => {
      this.pending.delete(incoming);
      const replica = incoming.member?.replica;
      if (replica !== undefined && this.accepted.get(replica) === incoming) this.accepted.delete(replica);
    },
  };
}

function explain(error: unknown): string {
  const code = errorCode(error);
  if (code === "EADDRINUSE") return "that address is in use by another process: choose another one";
  if (code === "EADDRNOTAVAIL") return "this machine has no such address: choose one of its own";
  if (code === "EACCES") return "there is no permission for that port: choose one above 1023";
  return `it failed (${code}): choose another one`;
}
