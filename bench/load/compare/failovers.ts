import { BenchCluster } from "../clusters/bench-cluster.ts";
import { NodeNamespaces } from "../clusters/namespaces.ts";
import type { System } from "../clusters/system.ts";
import { show, type Summary, summarize } from "../samples.ts";
import { type Contenders, OUR_TIMES } from "./contenders.ts";
import { longestGapMs, Probe } from "./probe.ts";

export type Fault = "kill -9" | "SIGSTOP" | "dropped packets";
export type FailoverRow = "mufakat" | "etcd, our times" | "etcd, its defaults";

export interface Failover {
  readonly row: FailoverRow;
  readonly fault: Fault;
  readonly gapMs: Summary;
  readonly samplesMs: readonly number[];
}

export interface FailoversOptions {
  readonly contenders: Contenders;
  readonly samples: number;
}

/** What happens to the leader, and how it ends. */
interface FaultAct {
  strike(cluster: BenchCluster, leader: number): Promise<unknown> | void;
  heal(cluster: BenchCluster, leader: number): void;
}

const ACTS: Readonly<Record<Fault, FaultAct>> = {
  "kill -9": {
    strike: (cluster, leader) => cluster.kill(leader),
    heal: (cluster, leader) => cluster.startNode(leader),
  },
  SIGSTOP: {
    strike: (cluster, leader) => cluster.pause(leader),
    heal: (cluster, leader) => cluster.resume(leader),
  },
  "dropped packets": {
    strike: (cluster, leader) => cluster.namespaces?.dropPeers(leader),
    heal: (cluster, leader) => cluster.namespaces?.heal(leader),
  },
};

interface Subject {
  readonly row: FailoverRow;
  readonly cluster: BenchCluster;
  /** Its election is over by then, or there was a split vote. */
  readonly watchMs: number;
}

/**
 * The longest time without a granted lock when the leader is killed, stopped or cut off from its peers: every system in
 * turn, with the same clients. Nodes run in network namespaces where that is possible, else on loopback and without the
 * third fault.
 */
export async function measureFailovers({
  contenders,
  samples,
}: FailoversOptions): Promise<{ network: string; failovers: Failover[] }> {
  await using stack = new AsyncDisposableStack();
  const systems: (readonly [FailoverRow, System | undefined, number])[] = [
    ["mufakat", contenders.mufakat(), OUR_TIMES.electionMs],
    ["etcd, our times", contenders.etcd("etcd, our times", OUR_TIMES), OUR_TIMES.electionMs],
    ["etcd, its defaults", contenders.etcd("etcd, its defaults"), 1_000],
  ];
  let faults: Fault[] = ["kill -9", "SIGSTOP", "dropped packets"];
  const subjects: Subject[] = [];
  for (const [row, system, electionMs] of systems) {
    if (system === undefined) continue;
    const namespaces = NodeNamespaces.create(3);
    if (namespaces === undefined) faults = faults.filter((fault) => fault !== "dropped packets");
    else stack.use(namespaces);
    const cluster = stack.use(await BenchCluster.start(system, 3, namespaces));
    subjects.push({ row, cluster, watchMs: 2 * electionMs + 300 });
  }
  const gaps = new Map<string, number[]>();
  for (let sample = 0; sample < samples; sample++) {
    for (const fault of faults) {
      for (const subject of subjects) {
        const gap = await failOver(subject, fault, sample);
        const key = `${subject.row}/${fault}`;
        gaps.set(key, [...(gaps.get(key) ?? []), gap]);
      }
    }
  }
  const network = faults.includes("dropped packets") ? "network namespaces joined by virtual Ethernet" : "loopback";
  const failovers = faults.flatMap((fault) =>
    subjects.map(({ row }) => failoverOf(row, fault, gaps.get(`${row}/${fault}`) ?? [])),
  );
  return { network, failovers };
}

async function failOver({ cluster, watchMs }: Subject, fault: Fault, sample: number): Promise<number> {
  const leader = await cluster.leader();
  const probe = new Probe(cluster, `${fault.replaceAll(" ", "-")}-${sample}`);
  const act = ACTS[fault];
  try {
    await probe.isSteady(20, 400, 10_000);
    const from = performance.now();
    await act.strike(cluster, leader);
    await Bun.sleep(watchMs);
    // Two of three nodes answer.
    await probe.isSteady(10, 250, 30_000);
    return longestGapMs(probe.successes, from, performance.now());
  } finally {
    act.heal(cluster, leader);
    probe.stop();
  }
}

function failoverOf(row: FailoverRow, fault: Fault, samples: readonly number[]): Failover {
  const gapMs = summarize(samples);
  console.log(`${fault}, ${row}: without a grant for ${show(gapMs, "ms")}`);
  return { row, fault, gapMs, samplesMs: samples.map(Math.round) };
}
