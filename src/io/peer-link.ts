import { FrameDecoder, type FrameType, frameTypes } from "./peer-frames.ts";
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
import { errorCode, type PeerSocket, rethrow, sinkOf } from "./peer-socket.ts";
import { FrameWriter } from "./peer-writer.ts";

const NO_BYTES = new Uint8Array(0);

/** What becomes of an attempt to reach a peer. */
export interface LinkEvents {
  /** Checks and remembers the peer; afterwards frames may flow. A refusal is told to the peer, undefined only cuts. */
  admit(greeting: Greeting): true | Refusal | undefined;
  onEstablished(link: OutgoingLink, greeting: Greeting): void;
  /** The peer refused us. The end follows. */
  onRefused(refusal: Refusal): void;
  /** Once, whatever happened; not after {@link OutgoingLink.close}. */
  onEnd(link: OutgoingLink, reason: string): void;
}

/** One outgoing connection: dial, handshake, frames, end. It never comes back. */
export class OutgoingLink {
  established = false;
  /** Known from the welcome on. */
  incarnation: string | undefined;
  private ended = false;
  private socket: PeerSocket | undefined;
  private writer: FrameWriter | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  /** Keepalive intervals since the peer last showed life: an answer, or room for more bytes. */
  private unanswered = 0;
  /** Nothing but handshakes and pongs comes this way. */
  private readonly decoder: FrameDecoder;

  constructor(
    private readonly context: PeerContext,
    private readonly member: PeerMember,
    private readonly events: LinkEvents,
  ) {
    this.decoder = new FrameDecoder(context.bounds.maxHandshakeBytes);
  }

  open(): void {
    const { host, port } = this.member.address;
    this.expectWithin(this.context.timings.dialTimeoutMs, "dialing took too long");
    try {
      Bun.connect<undefined>({
        hostname: host,
        port,
        socket: {
          open: (socket) => this.onOpen(socket),
          data: (_socket, chunk) => this.onData(chunk),
          drain: () => this.onDrain(),
          close: () => this.end("the peer closed the connection"),
          connectError: (_socket, error) => this.end(errorCode(error)),
          error: (_socket, error) => rethrow(error),
        },
      }).catch((error: unknown) => this.end(errorCode(error)));
    } catch (error) {
      // A port out of range, for example: Bun refuses before it dials.
      this.end(errorCode(error));
    }
  }

  /** @returns false when the frame was dropped */
  send(type: FrameType, body: Uint8Array): boolean {
    if (this.ended || this.writer === undefined) return false;
    return this.writer.send(type, body);
  }

  get bufferedBytes(): number {
    return this.writer?.bufferedBytes ?? 0;
  }

  /** True while the peer answered lately. */
  get lively(): boolean {
    return this.established && !this.ended && this.unanswered <= 1;
  }

  /**
   * Called every keepalive interval. A peer behind a silent partition acknowledges nothing, and TCP itself would
   * notice after a quarter of an hour. Intervals are counted, not time, so that a pause of ours accuses nobody.
   */
  tick(): void {
    if (!this.established || this.ended) return;
    this.unanswered++;
    if (this.unanswered > this.context.timings.unansweredKeepalives) this.end("the peer stopped answering");
    else if (this.bufferedBytes === 0) this.send(frameTypes.ping, NO_BYTES);
  }

  /** Lets what the kernel has already taken reach the peer; nobody is told. */
  close(): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    this.socket?.end();
    this.socket?.unref();
  }

  private onOpen(socket: PeerSocket): void {
    if (this.ended) {
      // Bun cannot abandon a dial: one that was given up may still open.
      socket.terminate();
      return;
    }
    this.socket = socket;
    socket.setNoDelay(true);
    this.writer = new FrameWriter(sinkOf(socket), this.context.bounds.maxPeerBufferBytes);
    this.expectWithin(this.context.timings.handshakeTimeoutMs, "the handshake took too long");
    this.send(frameTypes.hello, encodeGreeting({ ...this.context.self(), targetNodeId: this.member.nodeId }));
  }

  private onData(chunk: Uint8Array): void {
    if (this.ended) return;
    this.unanswered = 0;
    this.context.statistics.bytesReceived += chunk.length;
    const fault = this.decoder.push(chunk, (type, body) => this.onFrame(type, body));
    if (fault === undefined || this.ended) return;
    this.context.statistics.badFrames++;
    this.end(`bad frame: ${fault}`);
  }

  private onDrain(): void {
    if (this.ended) return;
    this.unanswered = 0;
    this.writer?.drain();
  }

  private onFrame(type: number, body: Uint8Array): boolean {
    if (type === frameTypes.refusal) return this.onRefusal(body);
    if (this.established) return type === frameTypes.pong;
    return type === frameTypes.welcome && this.onWelcome(body);
  }

  private onRefusal(body: Uint8Array): boolean {
    const refusal = decodeRefusal(body);
    if (refusal === undefined) return false;
    this.events.onRefused(refusal);
    this.end(`refused: ${refusal.code}`);
    return false;
  }

  private onWelcome(body: Uint8Array): boolean {
    const greeting = decodeGreeting(body, this.context.self());
    if (greeting === undefined) return false;
    const refusal = isRefusal(greeting) ? greeting : this.events.admit(greeting);
    if (refusal !== true || isRefusal(greeting)) {
      const isTold = refusal !== true && refusal !== undefined;
      if (isTold) this.send(frameTypes.refusal, encodeRefusal(refusal));
      this.end(`not admitted: ${isTold ? refusal.code : "not remembered"}`, true);
      return false;
    }
    clearTimeout(this.timer);
    this.established = true;
    this.incarnation = greeting.incarnation;
    this.events.onEstablished(this, greeting);
    return !this.ended;
  }

  private expectWithin(ms: number, reason: string): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.end(reason), ms);
  }

  private end(reason: string, flush = false): void {
    if (this.ended) return;
    this.ended = true;
    clearTimeout(this.timer);
    if (flush) this.socket?.end();
    else this.socket?.terminate();
    this.events.onEnd(this, reason);
  }
}
