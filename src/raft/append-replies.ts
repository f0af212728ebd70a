import type { RaftLog } from "./log.ts";
import type { AppendReply, GroupId, ReplicaId } from "./types.ts";

interface Envelope {
  readonly group: GroupId;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  readonly term: number;
}

/** @param repairing the replica has lost entries: nothing that it says of others counts (PROTOCOLS D7) */
export function accepted(envelope: Envelope, index: number, repairing: boolean): AppendReply {
  const reply = { type: "appendReply", ...envelope, success: true, index, hintTerm: 0, hintIndex: 0 } as const;
  return repairing ? { ...reply, repairing } : reply;
}

/** There is no entry `prevTerm`/`prevIndex` here; the hint says where the logs may agree (Raft §5.3, end). */
export function refused(
  envelope: Envelope,
  log: RaftLog,
  { prevIndex, prevTerm }: { readonly prevIndex: number; readonly prevTerm: number },
  repairing: boolean,
): AppendReply {
  const hintIndex = log.lastIndexWithTermAtMost(prevTerm, prevIndex);
  const hint = { hintTerm: log.term(hintIndex) ?? 0, hintIndex };
  const reply = { type: "appendReply", ...envelope, success: false, index: prevIndex, ...hint } as const;
  return repairing ? { ...reply, repairing } : reply;
}
