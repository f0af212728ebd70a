import { misordered } from "../../support/lock-history.ts";
import type { Grant } from "../holds.ts";
import { type Check, type Violation, violation } from "./violation.ts";

/** For conflicting grants, g1 returned before g2 was asked for ⇒ token1 < token2; nor do those of readers ever fall. */
export const checkTokenOrder: Check = ({ holds }) => {
  const grants = holds.grants.map((grant) => ({
    ...{ lock: grant.lock, mode: grant.mode, token: grant.token, owner: grant.principal, grant },
    ...{ invokedMs: grant.invokedUs / 1_000, grantedMs: grant.returnedUs / 1_000 },
  }));
  return misordered(grants).map(([{ grant: earlier }, { grant: later }]) => {
    const what = `${described(later)} was asked for after ${described(earlier)} had been granted`;
    return violation("tokens rise", what, earlier.request, later.request);
  });
};

/** One token is one exclusive hold, or the readers of one shared phase. */
export const checkTokenOwners: Check = ({ holds }) => {
  const found: Violation[] = [];
  const rule = "a token is of one hold or one shared phase";
  for (const grants of Map.groupBy(holds.grants, ({ token }) => token).values()) {
    const [first] = grants;
    for (const grant of grants) {
      if (first === undefined) continue;
      const readers = grant.mode === "shared" && first.mode === "shared";
      if (grant.lock === first.lock && (readers || grant.principal === first.principal)) continue;
      found.push(violation(rule, `${described(first)} and ${described(grant)}`, first.request, grant.request));
    }
  }
  return found;
};

export function described({ principal, mode, lock, token }: Grant): string {
  return `${principal}'s ${mode} ${lock} (token ${token})`;
}
