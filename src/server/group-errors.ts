import { ApiError } from "../api/errors.ts";
import { type ControlGroup, GroupError } from "./control-group.ts";

/** What a client is told when there is no result of the state machine; any other error as it is. */
export function apiErrorOf(error: unknown, group: ControlGroup): unknown {
  if (!(error instanceof GroupError)) return error;
  if (error.code === "disk_full") return diskFull(group);
  // Nobody reads the reply to an aborted request; the group has proposed a cancel.
  return new ApiError(error.code === "aborted" ? "outcome_unknown" : error.code);
}

/** Names the nodes that need room, as far as this one has heard. */
function diskFull(group: ControlGroup): ApiError {
  const full = group.status().members.filter(({ disk }) => disk === "full" || disk === "exhausted");
  if (full.length === 0) return new ApiError("disk_full");
  const nodes = full.map(({ nodeId }) => nodeId);
  const message = `No room on the disk of ${nodes.join(", ")}: nothing has happened. Make room there.`;
  return new ApiError("disk_full", { message, details: { nodes } });
}
