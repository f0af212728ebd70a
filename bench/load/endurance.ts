import { ProcessCluster, type Program } from "../../test/support/process-cluster.ts";
import { diskUseBytes } from "./disk-use.ts";
import { HttpConnection } from "./http-connection.ts";
import { showLoopFigures } from "./loop-figures.ts";
import { show, type Summary, summarize } from "./samples.ts";

const SAMPLE_MS = 2_000;
const SHOWN_EVERY_SAMPLES = 15;

/** Millions of operations: what the nodes' data takes on the disk, which must stay level. */
export async function benchEndurance(options: {
  program: Program;
  size: number;
  /** Requests; a lock and its release are two. */
  operations: number;
  outstanding: number;
}): Promise<Record<string, Summary>> {
  await using cluster = await ProcessCluster.start({ size: options.size, program: options.program });
  const samples: { readonly operations: number; readonly mib: number }[] = [];
  let operations = 0;
  let failed = 0;
  const sample = (): void => {
    for (const { dataDirectory } of cluster.nodes) {
      samples.push({ operations, mib: diskUseBytes(dataDirectory) / 2 ** 20 });
    }
    const latest = samples.slice(-cluster.nodes.length).map(({ mib }) => mib.toFixed(0));
    if ((samples.length / cluster.nodes.length) % SHOWN_EVERY_SAMPLES === 1) {
      console.log(`${operations} operations: ${latest.join(", ")} MiB on the disks`);
    }
  };
  const timer = setInterval(sample, SAMPLE_MS);
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: options.outstanding }, async (_, client) => {
      const { clientPort } = cluster.node(cluster.ids[client % cluster.ids.length] ?? "");
      const connection = await HttpConnection.open("127.0.0.1", clientPort);
      const path = `/lock/load-${client}?owner=client-${client}`;
      while (operations < options.operations) {
        operations += 2;
        const lock = await connection.request("POST", `${path}&ttl=60&timeout=0`);
        const unlock = await connection.request("DELETE", path);
        if (lock.status !== 200 || unlock.status !== 200) failed++;
      }
      connection.close();
    }),
  );
  clearInterval(timer);
  const seconds = (performance.now() - begun) / 1000;
  sample();
  const rate = summarize([operations / seconds]);
  const half = (first: boolean): Summary =>
    summarize(samples.filter((one) => one.operations < options.operations / 2 === first).map(({ mib }) => mib));
  const [firstHalf, secondHalf] = [half(true), half(false)];
  console.log(
    `${operations} operations in ${seconds.toFixed(0)} s, ${failed} pairs failed; ${show(rate, "operations/s")}`,
  );
  console.log(`on a disk in the first half ${show(firstHalf, "MiB")}, in the second ${show(secondHalf, "MiB")}`);
  await showLoopFigures(cluster);
  return {
    "endurance, operations/s": rate,
    "endurance, failed pairs": summarize([failed]),
    "endurance, MiB on a disk, first half": firstHalf,
    "endurance, MiB on a disk, second half": secondHalf,
  };
}
