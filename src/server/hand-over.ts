import type { Engine } from "../engine/engine.ts";
import type { GroupHost } from "../engine/group-host.ts";
import type { TransferEnd } from "../engine/transfers.ts";
import type { ReplicaId } from "../raft/types.ts";

/** A stop does not wait longer for somebody to take over. A healthy cluster needs a few ms. */
const HAND_OVER_MS = 1_000;
/** Between two tries: until then a target that went away is known to be gone. */
const RETRY_MS = 20;

/**
 * A leader that is about to stop lets another node lead first, so that nobody waits for an election time-out. Without a
 * connected peer there is nobody, and a node that does not lead has nothing to hand over.
 */
export async function handOver<Command, Result>(
  host: Pick<GroupHost<Command, Result>, "raft" | "transferLeadership">,
  engine: Pick<Engine, "nowMs" | "wake">,
  isConnected: (replica: ReplicaId) => boolean,
): Promise<void> {
  const { raft } = host;
  const deadlineMs = engine.nowMs() + HAND_OVER_MS;
  const hasPeer = (): boolean => raft.configuration.voters.some((voter) => voter !== raft.self && isConnected(voter));
  while (raft.role === "leader" && engine.nowMs() < deadlineMs && hasPeer()) {
    const { promise, resolve } = Promise.withResolvers<TransferEnd | "deadline">();
    const timer = setTimeout(() => resolve("deadline"), deadlineMs - engine.nowMs());
    host.transferLeadership(0, engine.nowMs(), resolve);
    engine.wake();
    const end = await promise;
    clearTimeout(timer);
    if (end !== "transferred") await Bun.sleep(RETRY_MS);
  }
}
