import { expect, test } from "bun:test";
import { eventually } from "../../support/eventually.ts";
import { temporaryDirectory } from "../../support/temporary-directory.ts";
import { Counters } from "../../torture/counters.ts";
import { History } from "../../torture/history.ts";

test("what nodes count is summed up over their processes, also when a new one has counted as much as the one before", async () => {
  using temporary = temporaryDirectory();
  const process = (started: number, repairs: number, changes: number) => ({
    ...{ process_start_time_seconds: started, repairs_total: repairs, configuration_changes_total: changes },
    ...{ http_requests_total: 7, version: "0" },
  });
  const answers = [process(1, 1, 2), process(1, 1, 5), process(2, 1, 1), process(2, 1, 1)];
  let asked = 0;
  await using server = Bun.serve({
    port: 0,
    fetch: () => Response.json(answers[Math.min(asked++, answers.length - 1)]),
  });
  const history = new History(`${temporary.path}/history.jsonl`);
  const counters = new Counters({ ids: ["node1"], url: () => `http://127.0.0.1:${server.port}` }, history);
  await eventually(() => asked >= answers.length, { what: "the last answer" });
  await counters.end();
  await history.close();
  expect(history.records.at(-1)).toMatchObject({
    type: "counters",
    totals: { repairs_total: 2, configuration_changes_total: 6 },
  });
});
