import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "bun:test";
import type { Comparison } from "../../bench/load/compare/comparison.ts";

const etcd = Bun.which("etcd") !== null;
const redis = Bun.which("redis-server") !== null;
if (!etcd || !redis) console.warn(`without a peer that is not on the PATH: etcd ${etcd}, redis-server ${redis}`);

describe("the comparison with peers", () => {
  test("measures ours and every peer that this machine has", async () => {
    const directory = mkdtempSync(join(tmpdir(), "mufakat-compare-"));
    try {
      const json = join(directory, "compare.json");
      const main = join(import.meta.dir, "../../bench/load/main.ts");
      const child = Bun.spawn([process.execPath, main, "compare", "--quick", "--json", json], {
        stdout: "pipe",
        stderr: "pipe",
      });
      const [output, errors] = await Promise.all([
        new Response(child.stdout).text(),
        new Response(child.stderr).text(),
      ]);
      expect([await child.exited, errors]).toEqual([0, ""]);
      const { rates, failovers, scale, skipped } = JSON.parse(readFileSync(json, "utf8")) as Comparison;

      const systems = ["mufakat", "mufakat at the leader"];
      if (etcd) systems.push("etcd", "etcd at the leader", "etcd3");
      if (redis) systems.push("redis");
      for (const outstanding of [64, 1]) {
        const rows = rates?.rates.filter((rate) => rate.outstanding === outstanding) ?? [];
        expect(rows.map(({ row }) => row as string)).toEqual(systems);
        for (const { pairsPerSecond } of rows) expect(pairsPerSecond.median).toBeGreaterThan(0);
      }
      const faults = failovers?.failovers.filter(({ row }) => row === "mufakat") ?? [];
      expect(faults.map(({ fault }) => fault as string).slice(0, 2)).toEqual(["kill -9", "SIGSTOP"]);
      for (const { gapMs } of failovers?.failovers ?? []) expect(gapMs.median).toBeGreaterThan(50);
      expect(failovers?.failovers).toHaveLength(faults.length * (etcd ? 3 : 1));
      expect(scale?.scale.stages.map(({ holds, waiters }) => [holds, waiters])).toEqual([
        [0, 0],
        [2_000, 0],
        [2_001, 1_000],
        [2_001, 0],
      ]);
      expect(skipped).toHaveLength(Number(!etcd) + Number(!redis));
      for (const line of skipped ?? []) expect(output).toContain(`SKIPPED, ${line}`);
    } finally {
      rmSync(directory, { recursive: true, force: true });
    }
  }, 180_000);
});
