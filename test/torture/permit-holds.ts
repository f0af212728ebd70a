import { claimantOf, type Dealings, type Granted, type Holds, numberOf, principalOf } from "./holds.ts";
import type { Request } from "./requests.ts";

/** Permits of a semaphore that a client knows it was given. */
export interface PermitGrant extends Granted {
  readonly semaphore: string;
  readonly limit: number;
  readonly slots: readonly number[];
}

/** Everything about semaphores that follows from a history, by principal. */
export class PermitHolds {
  readonly grants: PermitGrant[] = [];
  /** By semaphore and principal. */
  readonly dealings = new Map<string, Dealings<PermitGrant>>();
  private readonly ends = new Map<PermitGrant, number>();

  constructor(private readonly holds: Holds) {
    for (const request of holds.requests) this.take(request);
  }

  of(semaphore: string, principal: string): Dealings<PermitGrant> {
    const place = `${semaphore}\n${principal}`;
    let known = this.dealings.get(place);
    if (known === undefined) {
      known = { acquires: [], releases: [], grants: [] };
      this.dealings.set(place, known);
    }
    return known;
  }

  /** As of a lock. */
  standsUntilUs(grant: PermitGrant): number {
    const known = this.ends.get(grant) ?? this.holds.stoodUntilUs(grant, this.of(grant.semaphore, grant.principal));
    this.ends.set(grant, known);
    return known;
  }

  /** Of all grants, that of each hold which was told first: asking again for what one holds is no other hold. */
  distinct(): PermitGrant[] {
    const first = new Map<string, PermitGrant>();
    for (const grant of this.grants.toSorted((a, b) => a.returnedUs - b.returnedUs)) {
      const hold = `${grant.token} ${grant.semaphore}\n${grant.principal}`;
      if (!first.has(hold)) first.set(hold, grant);
    }
    return [...first.values()];
  }

  private take(request: Request): void {
    const { operation, input, outcome } = request;
    const semaphore = String(input["semaphore"]);
    if (operation === "semaphores.release") {
      const principal = principalOf(input);
      if (principal !== undefined) this.of(semaphore, principal).releases.push(request);
      return;
    }
    if (operation !== "semaphores.acquire") return;
    const principal = claimantOf(request);
    const { acquires, grants } = this.of(semaphore, principal);
    acquires.push(request);
    if (outcome !== "ok") return;
    const grant = grantOf(request, principal);
    grants.push(grant);
    this.grants.push(grant);
  }
}

function grantOf(request: Request, principal: string): PermitGrant {
  const { output, invokedUs, returnedUs } = request;
  return {
    ...{ semaphore: String(output["semaphore"]), principal, owner: String(output["owner"]) },
    limit: numberOf(output, "limit") ?? 0,
    slots: output["slots"] as readonly number[],
    token: Number(output["fencing_token"]),
    ...{ invokedUs, returnedUs, request },
  };
}

export function describedPermits({ principal, semaphore, slots, token }: PermitGrant): string {
  return `${principal}'s slots ${slots.join(", ")} of ${semaphore} (token ${token})`;
}
