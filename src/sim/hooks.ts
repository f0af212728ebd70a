import type { ApplyJournal } from "../engine/apply-journal.ts";
import type { PeerMessage } from "../engine/peer-messages.ts";
import type { StateMachine } from "../engine/state-machine.ts";
import type { LockMachine } from "../locks/lock-machine.ts";
import type { LockResult } from "../locks/types.ts";
import type { QueueResult } from "../queue/commands.ts";
import type { QueueMachine } from "../queue/queue-machine.ts";
import type { ReplicaId } from "../raft/types.ts";
import type { WriteAheadLog } from "../wal/records.ts";
import type { Volume } from "../wal/volume.ts";
import type { MemoryVolume } from "./memory-volume.ts";

/** What whoever runs a simulation may come between, at the simulator's edges: production code has no such place. */
export interface SimHooks {
  /** Between the log and the disk. */
  readonly volume?: (volume: MemoryVolume) => Volume;
  /** Between the engine and the log. */
  readonly log?: (log: WriteAheadLog) => WriteAheadLog;
  /** Every message as it leaves. */
  readonly message?: (message: PeerMessage) => PeerMessage;
  readonly machine?: (machine: LockMachine, place: HookedPlace) => StateMachine<LockResult>;
  readonly queueMachine?: (machine: QueueMachine) => StateMachine<QueueResult>;
  readonly journal?: (journal: ApplyJournal) => ApplyJournal;
  /** Whether a process that ends so is no failure of the run. */
  readonly meansDeath?: (cause: unknown) => boolean;
  /** Every node stops at this entry, until it is given another version of the program. */
  readonly poisonIndex?: number;
  /** Whole states are not compared from outside: what is wrong the nodes must find by themselves. */
  readonly comparesNothing?: boolean;
  /** A node that restarts finds an empty disk. */
  readonly wipes?: boolean;
  /** A node that restarts does not know that others have met it. */
  readonly forgetsMeeting?: boolean;
}

/** Where a machine runs. */
export interface HookedPlace {
  readonly node: ReplicaId;
  readonly localMs: () => number;
  /** The node runs another version of the program than at first. */
  readonly upgraded: boolean;
}
