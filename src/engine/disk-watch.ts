import type { EntryRoom } from "../raft/options.ts";
import type { Configuration, EntryKind, ReplicaId } from "../raft/types.ts";
import type { LogRoom } from "../wal/records.ts";
import { type DiskReport, type DiskState, isSlowDisk } from "./disk-report.ts";
import type { SyncTimes } from "./sync-times.ts";

/** What an entry takes in a flush beside its payload, at most. */
export const ENTRY_BYTES = 64;
/** A disk without room is asked again after so long, then after twice that, and so on. */
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 4_000;
/** Reports are repeated, since each may be lost, and a peer that sends none any more is unknown. */
const REPORT_MS = 1_000;
const STALE_MS = 5_000;
/** For so long a disk must be slow without a break. */
const SLOW_FOR_MS = 3_000;
/**
 * What the node knows of its own disk and of its peers' (PROTOCOLS D9), and which entries find room. Whose reports count says the
 * configuration of the control group; what they mean for a group is {@link GroupDisks}' matter.
 */
export class DiskWatch implements EntryRoom {
  private readonly peers = new Map<ReplicaId, DiskReport & { readonly heardAtMs: number }>();
  /** No peer has said otherwise. */
  private peersHaveRoom = true;
  /** Of entries that were appended since the last flush began. */
  private pendingBytes = 0;
  /** Room that was left when an entry found none on a full disk: until there is more, none is taken. */
  private exhaustedAtBytes: number | undefined;
  private retryAtMs = 0;
  private retryMs = FIRST_RETRY_MS;
  private reported: DiskState = "ok";
  private reportedAtMs: number | undefined;
  private slowSinceMs: number | undefined;
  private peerIds: readonly ReplicaId[] = [];

  constructor(
    private readonly self: ReplicaId,
    private readonly room: LogRoom,
    private readonly syncs: SyncTimes,
  ) {}

  follow({ voters, learners }: Configuration): void {
    this.peerIds = [...voters, ...learners].filter((replica) => replica !== this.self);
    for (const peer of this.peers.keys()) if (!this.peerIds.includes(peer)) this.forget(peer);
  }

  get state(): DiskState {
    const { refusal, entryBytes } = this.room;
    if (refusal === undefined) return "ok";
    if (entryBytes === 0) return "exhausted";
    return this.exhaustedAtBytes !== undefined && entryBytes <= this.exhaustedAtBytes ? "exhausted" : "full";
  }

  get report(): DiskReport {
    return { state: this.state, medianSyncUs: this.syncs.medianUs };
  }

  /** Why there is no room; undefined while there is some. */
  get refusal(): Error | undefined {
    return this.room.refusal;
  }

  /** Undefined: not heard of late. */
  peerReport(peer: ReplicaId): DiskReport | undefined {
    return this.peers.get(peer);
  }

  /** Neither this node nor a peer has said otherwise. */
  get allHaveRoom(): boolean {
    return this.peersHaveRoom && this.room.refusal === undefined;
  }

  take(kind: EntryKind, payloadBytes: number): boolean {
    const bytes = payloadBytes + ENTRY_BYTES;
    if (kind !== "noop" && !this.fits(bytes)) {
      if (this.room.refusal !== undefined) this.exhaustedAtBytes = this.room.entryBytes;
      return false;
    }
    this.pendingBytes += bytes;
    return true;
  }

  /** Everything taken so far is handed to the log, which counts it from now on. */
  handedOver(): void {
    this.pendingBytes = 0;
  }

  heard(peer: ReplicaId, report: DiskReport, nowMs: number): void {
    if (!this.peerIds.includes(peer)) return;
    const { state, medianSyncUs } = report;
    this.peers.set(peer, { state, medianSyncUs, heardAtMs: nowMs });
    this.countPeers();
  }

  forEachPeer(visit: (peer: ReplicaId, state: DiskState | undefined) => void): void {
    for (const peer of this.peerIds) visit(peer, this.peers.get(peer)?.state);
  }

  forget(peer: ReplicaId): void {
    this.peers.delete(peer);
    this.countPeers();
  }

  tick(nowMs: number): void {
    for (const [peer, { heardAtMs }] of this.peers) if (nowMs - heardAtMs >= STALE_MS) this.forget(peer);
    this.askForRoom(nowMs);
    const medians = [...this.peers.values()].map(({ medianSyncUs }) => medianSyncUs);
    if (!isSlowDisk(this.syncs.medianUs, medians)) this.slowSinceMs = undefined;
    else this.slowSinceMs ??= nowMs;
  }

  /** What the peers should hear now, if anything: a change at once, all else now and then. */
  due(nowMs: number): DiskReport | undefined {
    const { state } = this;
    this.reportedAtMs ??= nowMs;
    if (state === this.reported && nowMs - this.reportedAtMs < REPORT_MS) return undefined;
    this.reported = state;
    this.reportedAtMs = nowMs;
    return this.report;
  }

  /** Slower than its peers', and not only for a moment. */
  isSlow(nowMs: number): boolean {
    return this.slowSinceMs !== undefined && nowMs - this.slowSinceMs >= SLOW_FOR_MS;
  }

  /** So many bytes more could be written. */
  fits(bytes: number): boolean {
    return this.state !== "exhausted" && this.pendingBytes + bytes <= this.room.entryBytes;
  }

  private countPeers(): void {
    this.peersHaveRoom = true;
    for (const { state } of this.peers.values()) if (state !== "ok") this.peersHaveRoom = false;
  }

  private askForRoom(nowMs: number): void {
    if (this.room.refusal === undefined) {
      this.retryMs = FIRST_RETRY_MS;
      this.retryAtMs = nowMs + FIRST_RETRY_MS;
      this.exhaustedAtBytes = undefined;
    } else if (nowMs >= this.retryAtMs) {
      this.retryAtMs = nowMs + this.retryMs;
      this.retryMs = Math.min(2 * this.retryMs, LAST_RETRY_MS);
      this.room.retry();
    }
  }
}
