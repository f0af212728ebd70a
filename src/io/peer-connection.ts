import { FRAME_OVERHEAD_BYTES, frameTypes } from "./peer-frames.ts";
import type { Greeting, Refusal } from "./peer-handshake.ts";
import { type LinkEvents, OutgoingLink } from "./peer-link.ts";
import { formatAddress, type PeerContext, type PeerMember } from "./peer-options.ts";

/** Failures in a row after which the operator hears of a peer that cannot be reached. */
const FAILURES_WORTH_A_WARNING = 5;

export interface ConnectionEvents {
  admit(member: PeerMember, greeting: Greeting): true | Refusal | undefined;
  onRefused(member: PeerMember, refusal: Refusal): void;
  onConnected(member: PeerMember, greeting: Greeting): void;
  onDisconnected(member: PeerMember): void;
}

/** Keeps one outgoing connection to a peer: dials, and dials again after growing waits with jitter. */
export class PeerConnection {
  private link: OutgoingLink | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private stopped = false;
  /** Attempts since the last established link. */
  private failures = 0;
  /** Links in a row that did not live for one keepalive interval: they must not make a hot loop of redials. */
  private shortLives = 0;
  private grewOld = false;
  private everConnected = false;
  private dropping = false;

  constructor(
    private readonly context: PeerContext,
    readonly member: PeerMember,
    private readonly events: ConnectionEvents,
  ) {}

  start(): void {
    this.dial();
  }

  stop(): void {
    this.stopped = true;
    clearTimeout(this.timer);
    this.link?.close();
    this.link = undefined;
  }

  get connected(): boolean {
    return this.link?.established ?? false;
  }

  get bufferedBytes(): number {
    return this.link?.bufferedBytes ?? 0;
  }

  /** The peer's incarnation while this connection shows life. */
  get liveIncarnation(): string | undefined {
    return this.link?.lively === true ? this.link.incarnation : undefined;
  }

  /** @returns false when the frame was dropped */
  send(frame: Uint8Array): boolean {
    const sent = this.link?.established === true && this.link.send(frameTypes.payload, frame);
    const { statistics } = this.context;
    if (sent) {
      statistics.framesSent++;
      statistics.bytesSent += FRAME_OVERHEAD_BYTES + frame.length;
      if (this.bufferedBytes === 0) this.dropping = false;
    } else {
      statistics.framesDropped++;
      this.noteDrop();
    }
    return sent;
  }

  /** The peer has just dialed us, so it is up: no reason to wait any longer. */
  nudge(): void {
    if (this.timer === undefined || this.stopped) return;
    clearTimeout(this.timer);
    this.dial();
  }

  /** Called every keepalive interval. */
  tick(): void {
    if (this.connected) {
      this.grewOld = true;
      this.shortLives = 0;
    }
    this.link?.tick();
  }

  private dial(): void {
    this.timer = undefined;
    this.grewOld = false;
    const events: LinkEvents = {
      admit: (greeting) => this.events.admit(this.member, greeting),
      onEstablished: (_link, greeting) => this.onEstablished(greeting),
      onRefused: (refusal) => this.events.onRefused(this.member, refusal),
      onEnd: (link, reason) => this.onEnd(link, reason),
    };
    this.link = new OutgoingLink(this.context, this.member, events);
    this.link.open();
  }

  private onEstablished(greeting: Greeting): void {
    this.context.logger.info(this.fields(), "connected to peer");
    if (this.everConnected) this.context.statistics.reconnects++;
    this.everConnected = true;
    this.failures = this.shortLives;
    this.dropping = false;
    this.events.onConnected(this.member, greeting);
  }

  private onEnd(link: OutgoingLink, reason: string): void {
    this.link = undefined;
    if (link.established && !this.grewOld) this.shortLives++;
    this.failures++;
    this.noteEnd(link, reason);
    if (link.established) this.events.onDisconnected(this.member);
    // Either event may have stopped us.
    if (!this.stopped) this.timer = setTimeout(() => this.dial(), this.backoffMs());
  }

  private backoffMs(): number {
    const { backoffMinMs, backoffMaxMs } = this.context.timings;
    const whole = Math.min(backoffMaxMs, backoffMinMs * 2 ** Math.min(this.failures - 1, 30));
    return whole * (0.5 + this.context.random.next() / 2);
  }

  private noteEnd(link: OutgoingLink, reason: string): void {
    const fields = { ...this.fields(), reason };
    if (link.established) this.context.logger.info(fields, "lost peer");
    else if (this.failures === FAILURES_WORTH_A_WARNING) this.context.logger.warn(fields, "cannot reach peer");
    else this.context.logger.debug(fields, "dialing peer failed");
  }

  private noteDrop(): void {
    if (this.dropping || !this.connected) return;
    this.dropping = true;
    this.context.logger.warn({ ...this.fields(), bufferedBytes: this.bufferedBytes }, "frames to peer are dropped");
  }

  private fields(): { peer: string; address: string } {
    const { nodeId, address } = this.member;
    return { peer: nodeId, address: formatAddress(address) };
  }
}
