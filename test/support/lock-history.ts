/** One hold of a lock, as its holder saw it. Times in ms of one clock. */
export interface Hold {
  readonly lock: string;
  readonly mode: "exclusive" | "shared";
  readonly owner: string;
  readonly token: number;
  /** When the lock was first asked for, and when the grant had come. */
  readonly invokedMs: number;
  readonly grantedMs: number;
  /** When its release was first asked for; infinite while it is held. Until then its lease must not run out. */
  readonly releasedMs: number;
}

/**
 * What is wrong with a history of holds, in sentences; empty when nothing is.
 *
 * For conflicting grants, g1 returned before g2 was invoked ⇒ token1 < token2. Beyond that no two conflicting holds
 * overlap: true of a history whose leases are much longer than its holds, and of no other ("What histories are checked
 * against" in the rules of the protocols).
 */
export function faultsOf(holds: readonly Hold[]): string[] {
  const byLock = Map.groupBy(holds, (hold) => hold.lock);
  const wrong = misordered(holds).map(
    ([earlier, later]) => `${described(later)} was asked for after ${described(earlier)} had been granted`,
  );
  return [...wrong, ...[...byLock.values()].flatMap(overlaps)];
}

/** What a hold must be for the order of its token to be judged. */
export type Granted = Omit<Hold, "releasedMs">;

/** Grants of one lock whose tokens deny that the earlier had been granted before the later was asked for. */
export function misordered<G extends Granted>(grants: readonly G[]): [earlier: G, later: G][] {
  return [...Map.groupBy(grants, ({ lock }) => lock).values()].flatMap(misorderedOfLock);
}

function misorderedOfLock<G extends Granted>(grants: readonly G[]): [earlier: G, later: G][] {
  const wrong: [G, G][] = [];
  const byInvocation = grants.toSorted((a, b) => a.invokedMs - b.invokedMs);
  const byReturn = grants.toSorted((a, b) => a.grantedMs - b.grantedMs);
  const largest: Partial<Record<Hold["mode"], G>> = {};
  let returned = 0;
  for (const grant of byInvocation) {
    for (; byReturn[returned] !== undefined && byReturn[returned]!.grantedMs < grant.invokedMs; returned++) {
      const earlier = byReturn[returned]!;
      if (earlier.token > (largest[earlier.mode]?.token ?? 0)) largest[earlier.mode] = earlier;
    }
    for (const earlier of [largest.exclusive, largest.shared]) {
      if (earlier === undefined || earlier.token < grant.token) continue;
      // Readers of one phase share its token, and who holds a lock already is told its token again.
      const together = earlier.owner === grant.owner || (earlier.mode === "shared" && grant.mode === "shared");
      if (earlier.token === grant.token && together) continue;
      wrong.push([earlier, grant]);
    }
  }
  return wrong;
}

function overlaps(holds: readonly Hold[]): string[] {
  const faults: string[] = [];
  const byGrant = holds.toSorted((a, b) => a.grantedMs - b.grantedMs);
  const last: Partial<Record<Hold["mode"], Hold>> = {};
  for (const hold of byGrant) {
    for (const earlier of [last.exclusive, last.shared]) {
      if (earlier === undefined || earlier.releasedMs <= hold.grantedMs) continue;
      if (hold.mode === "shared" && earlier.mode === "shared") continue;
      faults.push(`${described(hold)} was granted while ${described(earlier)} was held`);
    }
    if (hold.releasedMs > (last[hold.mode]?.releasedMs ?? 0)) last[hold.mode] = hold;
  }
  return faults;
}

function described({ owner, mode, lock, token }: Hold): string {
  return `${owner}'s ${mode} ${lock} (token ${token})`;
}
