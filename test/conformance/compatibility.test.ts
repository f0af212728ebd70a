import { describe, expect, test } from "bun:test";
import { appOver } from "../support/app.ts";
import { LocalControlGroup } from "../support/local-control-group.ts";
import { localQueues } from "../support/local-queues.ts";
import { readExchanges, replay, type Send } from "../support/replay-compatibility.ts";

const markdown = await Bun.file(new URL("../../docs/compatibility.md", import.meta.url)).text();
const exchanges = readExchanges(markdown);

function node(): { group: LocalControlGroup; app: ReturnType<typeof appOver>["app"]; send: Send } {
  const group = new LocalControlGroup();
  const { app } = appOver(group, undefined, localQueues());
  return { group, app, send: async (path, init) => app.request(path, init) };
}

describe("docs/compatibility.md", () => {
  test("is what a node answers, also the second time, and leaves nothing behind", async () => {
    const { group, send } = node();
    await replay(exchanges, send);
    await replay(exchanges, send);
    expect(group.state.counts).toMatchObject({ locks: 0, semaphores: 0, holds: 0, waiters: 0, sessions: 0 });
  });

  test("shows every route that there is", () => {
    const shown = exchanges.map(({ method, target }) => `${method} ${target.replace(/\?.*/, "")}`);
    for (const { method, path } of node().app.routes) {
      if (method === "ALL" || path.startsWith("/v1") || (path.endsWith("/") && path !== "/")) continue;
      // A route may have a name that no request can have: see `routes/queues.ts`.
      const asked = path.replace("/queue ", "/queue/").replaceAll(/:\w+/g, "[^/]+");
      const pattern = new RegExp(`^${method} ${asked}$`);
      expect([path, shown.some((request) => pattern.test(request))]).toEqual([path, true]);
    }
  });
});

describe("the replay notices", () => {
  const block = (reply: string) => readExchanges(`\`\`\`http\nGET /lock/x\n→ 200\n${reply}\n\`\`\``);
  const fails = (reply: string) => expect(replay(block(reply), node().send)).rejects.toThrow();
  const full =
    '"lock_name": "x", "status": "available", "owners": [], "waiters": [], "holders": [], "queue": [], "revision": 0, "as_of_index": "<integer>"';

  test("a field too many, a field too few, another value and another type", async () => {
    await replay(block(`{${full}, "fencing_token": null}`), node().send);
    await fails(`{${full}}`);
    await fails(`{${full}, "fencing_token": null, "more": 1}`);
    await fails('{"status": "held", "…": "…"}');
    await fails('{"status": "<integer>", "…": "…"}');
    await fails('{"absent": "<string>", "…": "…"}');
  });

  test("another status", async () => {
    await expect(replay(readExchanges("```http\nGET /\n→ 404\n```"), node().send)).rejects.toThrow();
  });
});
