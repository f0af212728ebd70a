import { quantile } from "./samples.ts";

/** One run of a closed loop: as many requests outstanding as there are clients. */
export interface Run {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Every client repeats its step, one at a time, until the time is over. */
export async function repeat(clients: number, seconds: number, step: (client: number) => Promise<void>): Promise<Run> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  const client = async (id: number): Promise<void> => {
    for (let now = performance.now(); now < end;) {
      await step(id);
      const after = performance.now();
      latencies.push(after - now);
      now = after;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
  const elapsed = (performance.now() - start) / 1000;
  latencies.sort((a, b) => a - b);
  return { perSecond: latencies.length / elapsed, p50Ms: quantile(latencies, 0.5), p99Ms: quantile(latencies, 0.99) };
}
