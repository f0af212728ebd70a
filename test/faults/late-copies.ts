import type { ForwardedProposal } from "../../src/engine/peer-messages.ts";
import { GroupHost } from "../../src/engine/group-host.ts";
import { type Patch, patch } from "./patch.ts";

/** Proposals taken between one and its copy: its client has been answered long since, or its node has another process. */
const LATE = 20;

/**
 * Now and then whoever leads takes a proposal once more that itself or another leader took long before: as a network would
 * bring it that keeps what it carries.
 */
export function lateCopies(): Patch {
  return patch(GroupHost.prototype, GroupHost.prototype["propose"], (original) => {
    const taken: ForwardedProposal[] = [];
    return function propose(proposal) {
      const end = original.call(this, proposal);
      if (end === "accepted") taken.push(proposal);
      const late = taken.length > LATE ? taken.shift() : undefined;
      if (late !== undefined && late.sequence % 3 === 0) original.call(this, late);
      return end;
    };
  });
}
