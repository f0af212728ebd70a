import { ApiError } from "../api/errors.ts";
import type { GroupStop } from "../engine/group-stop.ts";
import { unreachable } from "../kernel/assert.ts";

/** A group that applies and serves nothing any more on this node, for those who ask. */
export interface StoppedGroup {
  readonly group: number;
  readonly reason: GroupStop["reason"];
  /** The entry at which it stopped. */
  readonly index: number;
  /** What happened and what to do next. */
  readonly message: string;
}

/** @param suspectsFile what a person removes to let the same version try a poison entry again */
export function stoppedGroup(group: number, stop: GroupStop, suspectsFile: string): StoppedGroup {
  const { reason, index } = stop;
  return { group, reason, index, message: sentences(group, stop, suspectsFile) };
}

/** Definite: nothing was begun here. */
export function stoppedError({ group, reason, index }: StoppedGroup): ApiError {
  const message = `Group ${group} has stopped on this node at entry ${index} (${reason}): ask another node.`;
  return new ApiError("group_stopped", { message, details: { group, index, reason } });
}

function sentences(group: number, stop: GroupStop, suspectsFile: string): string {
  const at = `entry ${stop.index} of group ${group}`;
  const goesOn = "the node goes on to vote and to store entries, and serves nothing";
  switch (stop.reason) {
    case "poisoned": {
      const why = stop.error === undefined ? "" : ` (${stop.error})`;
      return (
        `${at} has ended this version of the program ${stop.deaths} times${why}: ${goesOn}. ` +
        `Start another version; to let this one try again, stop it and remove ${suspectsFile}.`
      );
    }
    case "diverged":
      return (
        `as of ${at} the state of this node (${hex(stop.own)}) is not that of a majority (${hex(stop.majority)}): ${goesOn}. ` +
        "Restart it with the version that the others run: it computes its state anew from its log. " +
        "If it stops again, move its data directory to another machine: this one's memory may be faulty."
      );
    case "split":
      return (
        `as of ${at} no majority of the nodes has the same state (${stop.hashes.map(hex).join(", ")}): no node serves the group. ` +
        "Copy every data directory, then restart all nodes with one version: they compute their states anew from their logs."
      );
    case "outdated":
      return (
        `after ${at} the cluster is at feature level ${stop.level}, and this version of the program knows levels up to ` +
        `${stop.supported}: ${goesOn}. Start the version that the other nodes run.`
      );
    default:
      return unreachable(stop);
  }
}

function hex(hash: number): string {
  return hash.toString(16).padStart(14, "0");
}
