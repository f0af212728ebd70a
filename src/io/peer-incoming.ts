import { FrameDecoder, frameTypes } from "./peer-frames.ts";
import {
  decodeGreeting,
  decodeRefusal,
  encodeGreeting,
  encodeRefusal,
  type Greeting,
  isRefusal,
  type Refusal,
} from "./peer-handshake.ts";
import type { PeerContext, PeerMember } from "./peer-options.ts";
import { FrameWriter } from "./peer-writer.ts";

const NO_BYTES = new Uint8Array(0);
/** Keepalive intervals without a byte after which a connection no longer proves that its process lives. */
const LIVELY_INTERVALS = 2;

export interface IncomingEvents {
  admit(greeting: Greeting): PeerMember | Refusal | undefined;
  onAccepted(incoming: IncomingConnection, member: PeerMember): void;
  onFrame(member: PeerMember, frame: Uint8Array): boolean;
  onRefused(member: PeerMember, refusal: Refusal): void;
  /** Once, whatever happened. */
  onEnd(incoming: IncomingConnection): void;
}

/** What is used of an accepted socket. */
export interface IncomingSocket {
  readonly remoteAddress: string;
  write(bytes: Uint8Array, offset: number, size: number): number;
  setNoDelay(on: boolean): boolean;
  end(): void;
  terminate(): void;
}

/** One accepted connection: a stranger until its hello has been checked, then the frames of one peer. */
export class IncomingConnection {
  /** Known once the hello was accepted, as is `greeting`. */
  member: PeerMember | undefined;
  greeting: Greeting | undefined;
  private ended = false;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private silentIntervals = 0;
  private readonly decoder: FrameDecoder;
  private readonly writer: FrameWriter;

  constructor(
    private readonly context: PeerContext,
    private readonly socket: IncomingSocket,
    private readonly events: IncomingEvents,
  ) {
    this.decoder = new FrameDecoder(context.bounds.maxHandshakeBytes);
    this.writer = new FrameWriter(socket, context.bounds.maxHandshakeBytes);
  }

  open(): void {
    this.socket.setNoDelay(true);
    const { handshakeTimeoutMs } = this.context.timings;
    this.timer = setTimeout(() => this.end("the handshake took too long"), handshakeTimeoutMs);
  }

  get lively(): boolean {
    return this.silentIntervals <= LIVELY_INTERVALS;
  }

  onData(chunk: Uint8Array): void {
    if (this.ended) return;
    this.silentIntervals = 0;
    this.context.statistics.bytesReceived += chunk.length;
    const fault = this.decoder.push(chunk, (type, body) => !this.ended && this.onFrame(type, body));
    if (fault === undefined || this.ended) return;
    this.context.statistics.badFrames++;
    this.context.logger.warn(this.fields(), `peer connection cut: bad frame (${fault})`);
    this.end(`bad frame: ${fault}`);
  }

  onDrain(): void {
    if (!this.ended) this.writer.drain();
  }

  /** Called every keepalive interval. The peer pings in each, so silence means that it, or the way to it, is gone. */
  tick(): void {
    this.silentIntervals++;
    if (this.silentIntervals > this.context.timings.silentKeepalives) this.end("the peer fell silent");
  }

  end(reason: string): void {
    if (this.ended) return;
    this.finish(reason);
    this.socket.terminate();
  }

  private onFrame(type: number, body: Uint8Array): boolean {
    const { member } = this;
    if (member === undefined) return type === frameTypes.hello && this.onHello(body);
    if (type === frameTypes.payload) {
      this.context.statistics.framesReceived++;
      return this.events.onFrame(member, body);
    }
    // A pong that finds no room is left out: the bytes before it have not been read, so they say the same.
    if (type === frameTypes.ping) this.writer.send(frameTypes.pong, NO_BYTES);
    else return type === frameTypes.refusal && this.onRefusal(member, body);
    return true;
  }

  private onHello(body: Uint8Array): boolean {
    const greeting = decodeGreeting(body, this.context.self());
    if (greeting === undefined) return false;
    const admission = isRefusal(greeting) ? greeting : this.events.admit(greeting);
    if (admission === undefined || isRefusal(admission) || isRefusal(greeting)) {
      this.refuse(admission !== undefined && isRefusal(admission) ? admission : undefined);
      return false;
    }
    clearTimeout(this.timer);
    this.member = admission;
    this.greeting = greeting;
    this.decoder.maxBodyBytes = this.context.bounds.maxFrameBytes;
    this.writer.send(frameTypes.welcome, encodeGreeting({ ...this.context.self(), targetNodeId: greeting.nodeId }));
    this.events.onAccepted(this, admission);
    return !this.ended;
  }

  private onRefusal(member: PeerMember, body: Uint8Array): boolean {
    const refusal = decodeRefusal(body);
    if (refusal !== undefined) this.events.onRefused(member, refusal);
    if (refusal !== undefined) this.end(`refused: ${refusal.code}`);
    return false;
  }

  private refuse(refusal: Refusal | undefined): void {
    if (refusal !== undefined) this.writer.send(frameTypes.refusal, encodeRefusal(refusal));
    this.finish(`not admitted: ${refusal?.code ?? "not remembered"}`);
    // Not a reset: the refusal must arrive. A peer that does not close its side is reset later.
    this.socket.end();
    setTimeout(() => this.socket.terminate(), this.context.timings.handshakeTimeoutMs).unref();
  }

  private finish(reason: string): void {
    this.ended = true;
    clearTimeout(this.timer);
    this.context.logger.debug({ ...this.fields(), reason }, "incoming peer connection ended");
    this.events.onEnd(this);
  }

  private fields(): { peer: string | undefined; from: string } {
    return { peer: this.member?.nodeId, from: this.socket.remoteAddress };
  }
}
