import type { GroupId, NodeFacts, ReplicaId } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { DiskWatch } from "./disk-watch.ts";
import type { FeatureLevels } from "./feature-levels.ts";
import type { SnapshotNews, SnapshotPorts } from "./group-snapshots.ts";
import type { GroupStop } from "./group-stop.ts";
import type { PeerMessage } from "./peer-messages.ts";
import type { EngineStatistics } from "./statistics.ts";

/** What a group needs of its engine. */
export interface GroupServices {
  readonly self: ReplicaId;
  readonly statistics: EngineStatistics;
  readonly disk: DiskWatch;
  readonly features: FeatureLevels;
  readonly log: WriteAheadLog;
  readonly snapshots: SnapshotPorts;
  nowMs(): number;
  /** A turn is wanted. */
  wake(): void;
  /** Joins the frame that this turn sends to the peer. */
  send(peer: ReplicaId, message: PeerMessage): void;
  isConnected(peer: ReplicaId): boolean;
  /** Whether the group may let the replica go, or have it vote, as far as other groups go (PROTOCOLS R6). */
  mayLeave(group: GroupId, replica: ReplicaId): boolean;
  mayVote(group: GroupId, replica: ReplicaId): boolean;
  /** What a node says of itself: this one, or one that is connected. */
  announced(replica: ReplicaId): NodeFacts | undefined;
  /** This replica learned of another leader or term; 0: none is known. */
  leaderChanged(group: GroupId, term: number, leader: ReplicaId): void;
  /** This replica leads and begins to hand leadership over. */
  handingOver(group: GroupId, term: number, to: ReplicaId): void;
  /** This replica applies and serves nothing any more. Once. */
  groupStopped(group: GroupId, stop: GroupStop): void;
  snapshotNews(group: GroupId, news: SnapshotNews): void;
  /** The node must stop: its disk failed (PROTOCOLS D9). */
  fail(error: Error): void;
}
