/** Permits as their holder had them. Times in ms of one clock. */
export interface PermitHold {
  readonly owner: string;
  readonly slots: readonly number[];
  readonly token: number;
  /** When the grant had come, and when its release was first asked for. Until then its lease must not run out. */
  readonly grantedMs: number;
  readonly releasedMs: number;
}

/**
 * What is wrong with a history of holds of one semaphore with `limit` permits, in sentences: a slot beyond the limit, one
 * that two had at once, a token that did not rise with the holders of a slot (PROTOCOLS L2), or more permits held than there are.
 */
export function permitFaultsOf(holds: readonly PermitHold[], limit: number): string[] {
  const faults: string[] = [];
  const last = new Map<number, PermitHold>();
  for (const hold of holds.toSorted((a, b) => a.grantedMs - b.grantedMs)) {
    for (const slot of hold.slots) {
      if (slot < 0 || slot >= limit) faults.push(`${described(hold)} has slot ${slot} of ${limit}`);
      const earlier = last.get(slot);
      last.set(slot, hold);
      if (earlier === undefined) continue;
      if (earlier.releasedMs > hold.grantedMs)
        faults.push(`${described(earlier)} and ${described(hold)} had slot ${slot} at once`);
      if (earlier.token >= hold.token) faults.push(`${described(hold)} got slot ${slot} after ${described(earlier)}`);
    }
  }
  const most = mostAtOnce(holds);
  if (most > limit) faults.push(`${most} of ${limit} permits were held at once`);
  return faults;
}

/** The largest number of permits that were held at one time. */
export function mostAtOnce(holds: readonly PermitHold[]): number {
  const steps = holds.flatMap(({ slots, grantedMs, releasedMs }) => [
    { atMs: grantedMs, permits: slots.length },
    { atMs: releasedMs, permits: -slots.length },
  ]);
  let held = 0;
  let most = 0;
  // Of one instant first what was given back.
  for (const { permits } of steps.toSorted((a, b) => a.atMs - b.atMs || a.permits - b.permits)) {
    held += permits;
    most = Math.max(most, held);
  }
  return most;
}

function described({ owner, token }: PermitHold): string {
  return `${owner} (token ${token})`;
}
