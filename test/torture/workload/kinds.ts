import type { Prng } from "../../../src/kernel/prng.ts";
import { campaigns } from "./campaigns.ts";
import { deadlocks } from "./deadlocks.ts";
import { fences } from "./fences.ts";
import { holds } from "./holds.ts";
import type { WorkloadKind } from "./kind.ts";
import { leases } from "./leases.ts";
import { multiLocks } from "./multi-locks.ts";
import { permitCircles } from "./permit-circles.ts";
import { queues } from "./queues.ts";
import { reads } from "./reads.ts";
import { retries } from "./retries.ts";
import { permits } from "./semaphores.ts";
import { sessions } from "./sessions.ts";

const kinds: readonly WorkloadKind[] = [
  ...[holds, sessions, leases, fences, retries, deadlocks, queues, reads],
  ...[multiLocks, permits, permitCircles, campaigns],
];
const lots = kinds.flatMap((kind) => Array.from({ length: kind.weight }, () => kind));

export function drawKind(prng: Prng): WorkloadKind {
  return prng.pick(lots);
}
