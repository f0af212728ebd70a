import { expect, test } from "bun:test";
import { namespacesMissing } from "../support/namespace-network.ts";
import { defaultProgram } from "../support/process-cluster.ts";
import { faultKinds, type FaultKind } from "../torture/faults.ts";
import type { OperationName } from "../torture/history.ts";
import { sweepLeftovers } from "../torture/run-folders.ts";
import { summaryOf } from "../torture/summary.ts";
import { torture, type TortureOptions } from "../torture/torture.ts";

const LIMIT_MS = 240_000;
const missing = namespacesMissing();
if (missing !== undefined) {
  const name = "clients on nodes in network namespaces see a history that is right, whatever the network does";
  console.warn(`SKIPPED test/integration/torture.test.ts: "${name}": ${missing}.`);
}

async function survive(options: Pick<TortureOptions, "minutes" | "network" | "faults" | "seed">): Promise<void> {
  sweepLeftovers();
  const lines: string[] = [];
  const log = (line: string) => void lines.push(line);
  const common = { nodes: 3, clients: 12, program: defaultProgram(), keep: undefined, log };
  const report = await torture({ ...common, ...options });
  const told = `${lines.join("\n")}\n${summaryOf(report)}`;
  expect(report.violations, told).toEqual([]);
  const done = new Set(report.records.flatMap((record) => (record.type === "fault" ? [record.fault] : [])));
  expect(done, told).toEqual(new Set(options.faults));
  const operations = report.records.filter((record) => record.type === "operation");
  const went = operations.filter(({ outcome }) => outcome === "ok");
  const granted = (name: OperationName) => went.filter(({ operation }) => operation === name).length;
  expect(granted("locks.acquire"), told).toBeGreaterThan(100);
  expect(granted("locks.acquireAll"), told).toBeGreaterThan(5);
  expect(granted("semaphores.acquire"), told).toBeGreaterThan(20);
  expect(went.filter(({ input }) => input["wait"] !== undefined).length, told).toBeGreaterThan(20);
}

test(
  "clients on proxied nodes under faults of every kind see a history that is right",
  () => survive({ minutes: 0.35, network: "proxy", faults: faultKinds, seed: 1 }),
  LIMIT_MS,
);

const namespaced: readonly FaultKind[] = ["kill", "partition", "one-way"];

test.skipIf(missing !== undefined)(
  "clients on nodes in network namespaces see a history that is right, whatever the network does",
  () => survive({ minutes: 0.15, network: "namespaces", faults: namespaced, seed: 2 }),
  LIMIT_MS,
);
