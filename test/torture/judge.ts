import { checkAnswers } from "./checks/answers.ts";
import { checkExits, checkLeaders, checkRecovery, checkReplicas } from "./checks/cluster.ts";
import { checkCircles } from "./checks/circles.ts";
import { checkDeadlocks } from "./checks/deadlocks.ts";
import { checkFences } from "./checks/fences.ts";
import { checkHoldsAreKept, checkLeases, checkReleases } from "./checks/leases.ts";
import { checkCampaigns, checkRevisions, checkObservers } from "./checks/campaigns.ts";
import { checkMultiLocks, checkNeedlessDeadlocks } from "./checks/multi-locks.ts";
import { checkPermitLimits, checkPermitReads, checkPermitSums } from "./checks/permits.ts";
import { checkPermitsAreKept, checkPermitReleases, checkSlots } from "./checks/permit-leases.ts";
import { checkFifo, checkPermitFifo } from "./checks/queues.ts";
import { checkReadHolds, checkReadOrder } from "./checks/reads.ts";
import { checkRetries } from "./checks/retries.ts";
import { checkSessionEnds, checkSessionLeases } from "./checks/sessions.ts";
import { checkTokenOrder, checkTokenOwners } from "./checks/tokens.ts";
import type { Check, Violation } from "./checks/violation.ts";
import type { HistoryRecord } from "./history.ts";
import { Holds } from "./holds.ts";
import { PermitHolds } from "./permit-holds.ts";

const checks: readonly Check[] = [
  checkTokenOrder,
  checkTokenOwners,
  checkLeases,
  checkHoldsAreKept,
  checkReleases,
  checkSessionLeases,
  checkSessionEnds,
  checkFences,
  checkRetries,
  checkReadOrder,
  checkReadHolds,
  checkFifo,
  checkPermitFifo,
  checkMultiLocks,
  checkNeedlessDeadlocks,
  checkSlots,
  checkPermitSums,
  checkPermitsAreKept,
  checkPermitReleases,
  checkPermitLimits,
  checkPermitReads,
  checkCampaigns,
  checkRevisions,
  checkObservers,
  checkDeadlocks,
  checkCircles,
  checkLeaders,
  checkExits,
  checkRecovery,
  checkReplicas,
  checkAnswers,
];

/** Everything that is wrong with a history (PROTOCOLS, "What histories are checked against"); empty when nothing is. */
export function judge(records: readonly HistoryRecord[]): Violation[] {
  const holds = new Holds(records);
  const evidence = { records, holds, permits: new PermitHolds(holds) };
  return checks.flatMap((check) => check(evidence));
}
