import { LockLoad } from "../../test/support/lock-load.ts";
import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { show, type Summary, summarize } from "./samples.ts";

const LOAD_BETWEEN_MS = 1_000;

/**
 * Every node in turn is stopped by SIGTERM and started again while clients lock, fence and unlock through all of them.
 * An operation fails if it gets an answer that it should not, or none; going on at another node is no failure.
 */
export async function benchRolling(options: {
  program: Program;
  size: number;
  rounds: number;
  outstanding: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const load = new LockLoad({
    urls: cluster.ids.map((id) => cluster.url(id)),
    clients: options.outstanding,
    locks: Array.from({ length: options.outstanding }, (_, index) => `load-${index}`),
    seed: 1,
  });
  const startMs = performance.now();
  const codes: (number | undefined)[] = [];
  for (let round = 0; round < options.rounds; round++) {
    for (const id of cluster.ids) {
      await Bun.sleep(LOAD_BETWEEN_MS);
      codes.push(await cluster.stop(id));
      await Bun.sleep(LOAD_BETWEEN_MS);
      cluster.startNode(id);
      await cluster.ready(id);
    }
  }
  await load.stop();
  const seconds = (performance.now() - startMs) / 1_000;
  const failures = [...load.surprises, ...load.unknown];
  for (const failure of failures.slice(0, 10)) console.log(`failed: ${failure}`);
  const unclean = codes.filter((code) => code !== 0);
  console.log(
    `${codes.length} restarts by SIGTERM, ${unclean.length} with another exit code than 0; ${load.holds.length} locks held and ` +
      `released in ${seconds.toFixed(0)} s, ${failures.length} operations failed, ${load.turnedAway} requests went to ` +
      `another node, ${load.refusals} were refused for want of a leader and asked again`,
  );
  const rate = summarize([load.holds.length / seconds]);
  const longest = summarize([load.longestMs]);
  console.log(`${show(rate, "holds/s")}; longest wait for an answer ${show(longest, "ms")}`);
  return {
    "rolling restart, failed operations": summarize([failures.length]),
    "rolling restart, refused for want of a leader": summarize([load.refusals]),
    "rolling restart, holds/s": rate,
    "rolling restart, longest wait ms": longest,
  };
}
