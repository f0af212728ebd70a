import type { Program } from "../../../test/support/process-cluster.ts";
import { BenchCluster } from "../clusters/bench-cluster.ts";
import { MufakatSystem } from "../clusters/mufakat-system.ts";
import type { QueueContender } from "./contender.ts";
import { HttpRefusal, openHttpLoad } from "./http-load.ts";

const NODES = 3;

/** Ours: three nodes, clients spread over all of them. @returns why not, for a program that has no queue */
export async function mufakatContender(program: Program): Promise<QueueContender | string> {
  const cluster = await BenchCluster.start(new MufakatSystem(program), NODES);
  const contender: QueueContender = {
    row: "mufakat",
    open: (shape) =>
      openHttpLoad(
        cluster.places.map(({ host, clientPort }) => ({ host, port: clientPort })),
        shape,
      ),
    [Symbol.asyncDispose]: () => cluster[Symbol.asyncDispose](),
  };
  try {
    await tryOnce(contender);
    return contender;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    if (error instanceof HttpRefusal && error.status === 404) return "this program has no queue yet";
    throw error;
  }
}

async function tryOnce(contender: QueueContender): Promise<void> {
  for (const batch of [1, 2]) {
    const load = await contender.open({ outstanding: 1, batch, bodyBytes: 100, queues: 1 });
    try {
      await load.pass(0);
    } finally {
      await load.close();
    }
  }
}
