import { HashTable } from "../kernel/hash-table.ts";
import { Claimant } from "./records.ts";
import type { Principal } from "./types.ts";

/** Every principal that holds or waits for something. One table a kind: an owner may be called like a session's id. */
export class Claimants {
  private readonly session = new HashTable<Claimant>();
  private readonly owner = new HashTable<Claimant>();
  private readonly once = new HashTable<Claimant>();

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
    this[principal.kind].add(claimant);
    return claimant;
  }

  dropIfIdle(claimant: Claimant): void {
    if (claimant.isIdle) this[claimant.kind].remove(claimant);
  }

  get size(): number {
    return this.session.size + this.owner.size + this.once.size;
  }
}

/** What tells principals of one kind apart. */
export function principalId(principal: Principal): string {
  return principal.kind === "owner" ? principal.name : principal.id;
}
