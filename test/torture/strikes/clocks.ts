import { MAX_DRIFT } from "../clocks.ts";
import { shuffled } from "../faults.ts";
import type { Strike } from "./strike.ts";

/** Of the nodes as they are started here: what one round adds to lease time at most (PROTOCOLS T1). */
const TWO_HEARTBEATS_US = 100_000;
const HOUR_MS = 3_600_000;
const MAX_STEP_MS = 5_000;

/**
 * Clocks of one node, or of several at once, are set: the wall clock by seconds or by years, or the monotonic one, as when a
 * virtual machine was moved. Backwards as well as forwards.
 */
export const clockStep: Strike = async (striker, fault, prng) => {
  const { cluster, clocks, members } = striker.tools;
  const nodes = prng.chance(0.7) ? [striker.target(prng)] : shuffled(members.ids, prng).slice(0, 2);
  const sign = prng.chance(0.5) ? 1 : -1;
  const isMonotonic = prng.chance(0.4);
  const stepMs = sign * (1 + prng.int(isMonotonic || prng.chance(0.5) ? MAX_STEP_MS : 20_000 * HOUR_MS));
  const which = isMonotonic ? "monotonic" : "wall";
  const by = `${sign > 0 ? "+" : ""}${(stepMs / 1_000).toFixed(1)} s`;
  const detail = striker.announce("clock-step", `${which} ${by} at ${nodes.join(", ")}`);
  const step = isMonotonic ? { monotonicMs: stepMs } : { wallMs: stepMs };
  await Promise.all(nodes.map((id) => clocks?.change(cluster, id, step)));
  // Each of them may lead in turn.
  const shortens = isMonotonic && sign > 0 ? { shortens_us: TWO_HEARTBEATS_US * nodes.length } : {};
  // Steps of the monotonic clock are kept apart, so that leases can still be judged.
  if (isMonotonic) await striker.wait(fault.lastsMs);
  return { nodes, detail, ...shortens, without: [] };
};

/** From now on each node's clocks run at a rate of their own, within what leases are promised for (T2). */
export const clockDrift: Strike = async (striker, _fault, prng) => {
  const { cluster, clocks, members } = striker.tools;
  const nodes = members.ids;
  const drifts = nodes.map(() => (prng.next() * 2 - 1) * MAX_DRIFT);
  const percent = drifts.map((drift) => `${(drift * 100).toFixed(2)} %`).join(", ");
  const detail = striker.announce("clock-drift", percent);
  await Promise.all(nodes.map((id, i) => clocks?.change(cluster, id, { drift: drifts[i] ?? 0 })));
  return { nodes, detail, without: [] };
};
