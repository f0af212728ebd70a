import { describe, expect, test } from "bun:test";
import { cli } from "../../support/cli-context.ts";
import { simRoutes } from "../../faults/command.ts";

const sim = (...inputs: readonly string[]) => cli(["sim", ...inputs], {}, simRoutes);

describe("the simulator of a checkout", () => {
  test("finds a planted fault, and tells the rule and how to replay the run", async () => {
    const { code, stdout } = await sim("--plant", "lying-disk");
    expect(code).toBe(0);
    const [replay = ""] = /^replay: npm run sim -- .*$/m.exec(stdout) ?? [];
    expect(replay).toMatch(/--seed \d+ --plant lying-disk$/);
    const again = await sim(...replay.slice("replay: npm run sim -- ".length).split(" "));
    const rule = (text: string) => /FAILED (.*)$/m.exec(text)?.[1];
    expect(rule(again.stdout)).toBe(rule(stdout)!);
  });

  test("says so when it does not find one", async () => {
    const { code, stdout } = await sim("--plant", "lying-disk", "--seeds", "1", "--events", "1");
    expect({ code, stdout }).toEqual({ code: 1, stdout: expect.stringContaining("no check failed") });
  });

  test("ends with the same hash for the same seeds", async () => {
    const hashes = [7, 7, 9].map(async (seed) => {
      const { stdout } = await sim("--seed", String(seed), "--seeds", "2", "--events", "300");
      return stdout.trimEnd().split("\n").at(-1);
    });
    const [first, again, other] = await Promise.all(hashes);
    expect(first).toMatch(/^hash [0-9a-f]{14}$/);
    expect(again).toBe(first!);
    expect(other).not.toBe(first!);
  });

  test("lists what can be planted, also as JSON", async () => {
    expect((await sim("--list")).stdout).toContain("lying-disk");
    const { plants } = JSON.parse((await sim("--list", "--json")).stdout) as { plants: object[] };
    expect(plants).toContainEqual({
      name: "lying-disk",
      rules: ["D5"],
      breaks: "a sync returns before the disk has the bytes",
      harmless: false,
    });
  });

  test("knows no fault by another name", async () => {
    const { code, stderr } = await sim("--plant", "no-such-fault");
    expect(code).toBe(64);
    expect(stderr).toContain('There is no planted fault "no-such-fault": --list prints them.');
  });
});
