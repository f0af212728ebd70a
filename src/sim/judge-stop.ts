import type { GroupStop } from "../engine/group-stop.ts";
import type { GroupId } from "../raft/types.ts";
import type { SimNode } from "./sim-node.ts";
import { check, Violation } from "./violation.ts";
import type { World } from "./world.ts";

const UPGRADED_WITHIN_MS = 3_000;

/**
 * Of a cluster without hooks no node ever stops, but one that joined with a program that is behind.
 *
 * @returns within how many ms somebody gives it the newer program; 0: never
 * @throws {Violation} when it should not have stopped
 */
export function judgeStop(
  { id, name }: SimNode,
  group: GroupId,
  stop: GroupStop,
  { hooks, groupChecks }: World,
): number {
  if (stop.reason === "poisoned") {
    check(stop.index === hooks.poisonIndex, "R7 only poison stops a node", () => `${name} at ${stop.index}`);
    return 0;
  }
  if (stop.reason !== "outdated") throw new Violation("R8 replicas have one state", `${name}: ${JSON.stringify(stop)}`);
  const isBehind = groupChecks.get(group)?.raft.standing.joinedBehind(id, stop.supported);
  check(isBehind === true, "R7 a feature level is raised when all know it", () => `${name}: ${JSON.stringify(stop)}`);
  return UPGRADED_WITHIN_MS;
}
