import type { PeerEvents, PeerNetwork } from "../engine/ports.ts";
import type { Prng } from "../kernel/prng.ts";
import type { NodeFacts, ReplicaId } from "../raft/types.ts";
import { Acquaintances } from "./acquaintances.ts";
import type { Profile } from "./profile.ts";
import type { Scheduler } from "./scheduler.ts";

/** Frames of one node to one other. Each direction connects, breaks and is blocked on its own. */
interface Link {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  up: boolean;
  /** Of this connection: frames of an earlier one never arrive. */
  generation: number;
  connecting: boolean;
  /** Faults that block it now; it is open without one. */
  blocks: number;
  extraLatencyMs: number;
  /** Frames that wait for the block to end. */
  held: Uint8Array[];
  lastArrivalMs: number;
}

export interface Endpoint {
  readonly events: PeerEvents;
  readonly facts: NodeFacts;
  /** Another node says that this one was removed: it must not go on. */
  readonly removed: () => void;
  /** Another node knows this one from now on. */
  readonly met: () => void;
  /** False once the process is dead: it hears nothing any more. */
  readonly isAlive: () => boolean;
}

/** Sees every frame when it is sent. @returns the bytes to carry instead, or undefined for none */
export type Tap = (from: ReplicaId, to: ReplicaId, frame: Uint8Array) => Uint8Array | undefined;

const RECONNECT_MS = 60;
/** A straggler comes so late at most, in ms: meanwhile leaders change, and change again. */
const STRAGGLER_MS = 3_000;
/** More than any run has. */
const MAX_REPLICAS = 1_000;

/** All links of the cluster. Frames take time, wait behind blocks and die with their connection. */
export class SimNetwork {
  private readonly links = new Map<number, Link>();
  private readonly endpoints = new Map<ReplicaId, Endpoint>();
  private readonly acquaintances = new Map<ReplicaId, Acquaintances>();
  /** Of all that were ever there. */
  private readonly nodeIds = new Map<ReplicaId, string>();
  framesSent = 0;
  framesLost = 0;
  private heals = 0;
  /**
   * Until the last fault. Then frames arrive, and in a fraction of an election timeout: no protocol makes progress in a network
   * that does neither (partial synchrony: Dwork, Lynch, Stockmeyer 1988).
   */
  isBad = true;

  constructor(
    private readonly scheduler: Scheduler,
    private readonly random: Prng,
    private readonly profile: Profile,
    private readonly tap: Tap,
  ) {}

  /** What the node at `self` sees of the network. */
  port(self: ReplicaId): PeerNetwork {
    const acquaintances = new Acquaintances();
    this.acquaintances.set(self, acquaintances);
    return {
      follow: (members) => {
        acquaintances.follow(members);
        this.followed(self);
      },
      isConnected: (peer) => this.link(self, peer).up,
      send: (peer, frame) => this.send(this.link(self, peer), frame),
    };
  }

  /** A node's process started. Links to and from it connect soon. */
  attach(node: ReplicaId, endpoint: Endpoint): void {
    this.endpoints.set(node, endpoint);
    this.nodeIds.set(node, endpoint.facts.nodeId);
    for (const other of this.endpoints.keys()) {
      if (other === node) continue;
      this.connectLater(this.link(node, other));
      this.connectLater(this.link(other, node));
    }
  }

  /** A node's process died: what was under way to and from it is lost. */
  detach(node: ReplicaId): void {
    this.endpoints.delete(node);
    for (const link of this.of(node)) this.break(link);
  }

  /** @returns ends it, unless all has been healed meanwhile */
  block(from: ReplicaId, to: ReplicaId): () => void {
    const link = this.link(from, to);
    const { heals } = this;
    link.blocks++;
    return () => {
      if (heals !== this.heals) return;
      link.blocks--;
      if (link.blocks === 0) this.reopen(link);
    };
  }

  /** @returns ends it */
  clog(from: ReplicaId, to: ReplicaId, extraLatencyMs: number): () => void {
    const link = this.link(from, to);
    link.extraLatencyMs = extraLatencyMs;
    return () => {
      link.extraLatencyMs = 0;
    };
  }

  /** The connection breaks and is made again. */
  disconnect(from: ReplicaId, to: ReplicaId): void {
    this.break(this.link(from, to));
  }

  /** The node knows nobody who is there, and nobody who is there knows it: it can be told nothing any more. */
  isForgotten(node: ReplicaId): boolean {
    const others = [...this.endpoints.keys()].filter((other) => other !== node);
    return others.every((other) => !this.knows(node, other) && !this.knows(other, node));
  }

  /** Ends blocks and clogs: what was held goes on its way. */
  heal(): void {
    this.heals++;
    for (const link of this.links.values()) {
      link.blocks = 0;
      link.extraLatencyMs = 0;
      this.reopen(link);
    }
  }

  private reopen(link: Link): void {
    const held = link.held;
    link.held = [];
    for (const frame of held) this.carry(link, frame);
    if (!link.up) this.connectLater(link);
  }

  private link(from: ReplicaId, to: ReplicaId): Link {
    const key = from * MAX_REPLICAS + to;
    let link = this.links.get(key);
    if (link === undefined) {
      const state = { up: false, generation: 0, connecting: false, blocks: 0, extraLatencyMs: 0 };
      link = { from, to, ...state, held: [], lastArrivalMs: 0 };
      this.links.set(key, link);
    }
    return link;
  }

  private of(node: ReplicaId): Link[] {
    return [...this.links.values()].filter(({ from, to }) => from !== to && (from === node || to === node));
  }

  /** Connections with whom it does not know any more end. */
  private followed(node: ReplicaId): void {
    for (const link of this.of(node)) {
      const peer = link.from === node ? link.to : link.from;
      if (link.up && !this.knows(node, peer)) this.break(link);
    }
  }

  /** It would dial the other one. */
  private knows(node: ReplicaId, other: ReplicaId): boolean {
    const nodeId = this.nodeIds.get(other);
    return nodeId !== undefined && this.acquaintances.get(node)?.knows(other, nodeId) === true;
  }

  private connectLater(link: Link): void {
    if (link.connecting || link.from === link.to) return;
    link.connecting = true;
    this.scheduler.after(this.random.next() * RECONNECT_MS, 0, () => this.connect(link));
  }

  private connect(link: Link): void {
    link.connecting = false;
    const from = this.endpoints.get(link.from);
    if (link.up || from === undefined || !this.endpoints.has(link.to)) return;
    // A handshake needs both ways.
    if (link.blocks > 0 || this.link(link.to, link.from).blocks > 0) {
      this.connectLater(link);
      return;
    }
    const to = this.endpoints.get(link.to);
    if (to === undefined || !this.shakeHands(link, from, to)) return;
    link.up = true;
    link.generation++;
    // Durable before any frame passes (PROTOCOLS M1).
    for (const each of [from, to]) each.met();
    this.tell(link, from, () => from.events.onConnected(link.to, to.facts));
  }

  /** Each must know the other, and one of them dials. Who has left is told so, by whoever it comes to. */
  private shakeHands(link: Link, from: Endpoint, to: Endpoint): boolean {
    const one = this.acquaintances.get(link.from);
    const other = this.acquaintances.get(link.to);
    if (one === undefined || other === undefined) return false;
    const dials = this.knows(link.from, link.to);
    const isDialed = this.knows(link.to, link.from);
    if (dials || isDialed) {
      const answer = other.greet(link.from, from.facts.nodeId, dials);
      if (answer === "removed") {
        this.tell(link, from, () => from.removed());
        return false;
      }
      if (answer === "accepted" && one.greet(link.to, to.facts.nodeId, isDialed) === "accepted") return true;
    }
    this.connectLater(link);
    return false;
  }

  private break(link: Link): void {
    link.held = [];
    if (!link.up) return;
    link.up = false;
    link.generation++;
    const from = this.endpoints.get(link.from);
    if (from !== undefined) this.tell(link, from, () => from.events.onDisconnected(link.to));
    this.connectLater(link);
  }

  private tell(link: Link, endpoint: Endpoint, what: () => void): void {
    this.scheduler.after(0, link.from, () => {
      if (endpoint.isAlive()) what();
    });
  }

  private send(link: Link, frame: Uint8Array): boolean {
    if (!link.up) return false;
    this.framesSent++;
    const tapped = this.tap(link.from, link.to, frame);
    if (tapped === undefined) return true;
    const { profile, random } = this;
    if (profile.network === "datagrams") {
      if (link.blocks > 0 || (this.isBad && random.chance(profile.loss))) {
        this.framesLost++;
        return true;
      }
      const copies = random.chance(profile.duplication) ? 2 : 1;
      for (let copy = 0; copy < copies; copy++) {
        this.carry(link, tapped, random.chance(profile.stragglers) ? STRAGGLER_MS * random.next() : 0);
      }
    } else if (link.blocks > 0) link.held.push(tapped);
    else this.carry(link, tapped);
    return true;
  }

  private carry(link: Link, frame: Uint8Array, lateMs = 0): void {
    const { random, profile, scheduler } = this;
    const { min, max } = profile.latencyMs;
    const slow = this.isBad && random.chance(profile.slowFrames) ? 10 : 1;
    let arrivalMs = scheduler.nowMs + (min + (max - min) * random.next()) * slow + link.extraLatencyMs + lateMs;
    if (profile.network === "connections") {
      arrivalMs = Math.max(arrivalMs, link.lastArrivalMs);
      link.lastArrivalMs = arrivalMs;
    }
    const { generation } = link;
    const endpoint = this.endpoints.get(link.to);
    if (endpoint === undefined) return;
    scheduler.after(arrivalMs - scheduler.nowMs, link.to, () => {
      if (!endpoint.isAlive()) return;
      if (profile.network === "connections" && link.generation !== generation) this.framesLost++;
      else endpoint.events.onFrame(link.from, frame);
    });
  }
}
