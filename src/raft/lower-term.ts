import type { GroupId, Message, ReplicaId } from "./types.ts";

/**
 * What a message of a lower term is answered with: our term, so that its sender catches up. Without it a replica that is
 * ahead of its cluster is stuck (PROTOCOLS R1).
 *
 * @param envelope with our term
 */
export function answerToLowerTerm(
  message: Message,
  envelope: { group: GroupId; from: ReplicaId; to: ReplicaId; term: number },
): Message | undefined {
  switch (message.type) {
    case "append":
      return {
        type: "appendReply",
        ...envelope,
        success: false,
        index: message.prevIndex,
        hintTerm: 0,
        hintIndex: 0,
      };
    case "heartbeat":
      return message.round > 0 ? { type: "heartbeatReply", ...envelope, round: 0 } : undefined;
    case "preVoteRequest":
      return { type: "preVoteReply", ...envelope, granted: false };
    case "voteRequest":
      return { type: "voteReply", ...envelope, granted: false };
    case "snapshotChunk":
      return { type: "snapshotReply", ...envelope, index: message.snapshot.index, offset: 0, state: "refused" };
    default:
      return undefined;
  }
}
