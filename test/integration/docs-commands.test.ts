/** The commands of the documentation, pasted into a shell beside a real cluster. */
import { expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { success } from "../support/node-client.ts";
import { ProcessCluster } from "../support/process-cluster.ts";
import { missing, paste, readCommands } from "../support/replay-commands.ts";
import { projectRoot } from "../support/source-files.ts";

async function replay(cluster: ProcessCluster, document: string): Promise<number> {
  const blocks = readCommands(readFileSync(join(projectRoot, document), "utf8"));
  const ports = cluster.nodes.map((node) => node.clientPort);
  const printed = await paste(blocks, ports);
  for (const [i, { line, shown }] of blocks.entries()) {
    const output = printed[i] ?? "";
    expect([line, missing(output, shown), output]).toEqual([line, undefined, output]);
  }
  return blocks.length;
}

test("the commands of docs/locks.md print what it says, and leave nothing held", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  expect(await replay(cluster, "docs/locks.md")).toBeGreaterThanOrEqual(4);
  expect(success(await cluster.client("node1").locks()).locks).toEqual({});
}, 60_000);

test("the commands of docs/queue.md print what it says", async () => {
  await using cluster = await ProcessCluster.start({ size: 3 });
  expect(await replay(cluster, "docs/queue.md")).toBeGreaterThanOrEqual(2);
}, 60_000);

test("a command that prints something else is noticed", () => {
  expect(missing('{"a":1,"b":2}{"c":3}', ['{"a":…}', '{"c":3}'])).toBeUndefined();
  expect(missing('{"c":3}{"a":1}', ['{"a":…}', '{"c":3}'])).toBe('{"c":3}');
  expect(missing('{"a":1}', ['{"b":…}'])).toBe('{"b":…}');
});
