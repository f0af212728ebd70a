import type { Claimant } from "./claimants.ts";
import { CycleSearch, type Turn } from "./cycle-search.ts";
import type { Lock } from "./records.ts";
import { stuckClaimants } from "./reduction.ts";
import type { WaitEdge } from "./types.ts";

/**
 * The deadlock that a request would make by waiting, as a cycle from its claimant and back to it, or undefined.
 *
 * A waiter waits for every incompatible holder and every incompatible earlier place in its queue (PROTOCOLS L4), so edges
 * appear only when a waiter comes, for a grant turns an edge to a waiter into one to a holder; and by an upgrade, see
 * {@link findUpgradeDeadlock}. Looking then is therefore enough: nobody is stuck before, and if the request is not, nobody
 * is stuck by it.
 *
 * @param turns what the request would wait for together
 */
export function findDeadlock(claimant: Claimant, turns: readonly Turn[]): WaitEdge[] | undefined {
  // Nobody can come back to one whom nobody waits for: the ordinary case, decided without a search.
  return isAwaited(claimant) ? search(claimant, turns, turns) : undefined;
}

/**
 * The deadlock that the sole reader of the locks would make by becoming exclusive, or undefined. A shared place at the
 * front belongs to a bundle that waits for something else: it does not wait for a reader, but would for the writer.
 * ↯ c holds k and waits for {l shared, m}; d holds l shared and waits for k; d upgrades l.
 */
export function findUpgradeDeadlock(claimant: Claimant, locks: readonly Lock[]): WaitEdge[] | undefined {
  if (claimant.waiterCount === 0 || locks.every(({ queue }) => queue.first?.mode !== "shared")) return undefined;
  for (const lock of locks) lock.mode = "exclusive";
  const cycle = search(claimant, [...claimant.turns()], []);
  for (const lock of locks) lock.mode = "shared";
  return cycle;
}

function isAwaited(claimant: Claimant): boolean {
  for (const { lock } of claimant.holds()) if (lock.queue.size > 0) return true;
  for (const { semaphore } of claimant.permitHolds()) if (semaphore.queue.size > 0) return true;
  for (const turn of claimant.turns()) if (turn.next !== undefined) return true;
  return false;
}

/** @param added of the turns those that the claimant has not taken yet */
function search(claimant: Claimant, turns: readonly Turn[], added: readonly Turn[]): WaitEdge[] | undefined {
  const cycle = new CycleSearch(claimant).from(turns);
  // Without a cycle nobody is stuck. In one of locks alone each needs the next; other holders of a semaphore may be enough.
  if (cycle === undefined || cycle.every(({ mode }) => mode !== "semaphore")) return cycle;
  const stuck = stuckClaimants(claimant, added);
  return stuck.has(claimant) ? new CycleSearch(claimant, stuck).from(turns) : undefined;
}
