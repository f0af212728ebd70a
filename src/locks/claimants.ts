import { Claimant } from "./records.ts";
import type { Principal } from "./types.ts";

/** Every principal that holds or waits for something. One map a kind: an owner may be called like a session's id. */
export class Claimants {
  private readonly session = new Map<string, Claimant>();
  private readonly owner = new Map<string, Claimant>();
  private readonly once = new Map<string, Claimant>();

  find(kind: Principal["kind"], id: string): Claimant | undefined {
    return this[kind].get(id);
  }

  findPrincipal(principal: Principal): Claimant | undefined {
    return this[principal.kind].get(principalId(principal));
  }

  findOrAdd(principal: Principal, publicName: string): Claimant {
    const id = principalId(principal);
    const known = this[principal.kind].get(id);
    if (known !== undefined) return known;
    const claimant = new Claimant(principal.kind, id, publicName);
    this[principal.kind].set(id, claimant);
    return claimant;
  }

  dropIfIdle(claimant: Claimant): void {
    if (claimant.isIdle) this[claimant.kind].delete(claimant.id);
  }

  get size(): number {
    return this.session.size + this.owner.size + this.once.size;
  }
}

/** What tells principals of one kind apart. */
export function principalId(principal: Principal): string {
  return principal.kind === "owner" ? principal.name : principal.id;
}
