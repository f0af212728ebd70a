import { describe, expect, test } from "bun:test";
import { limits } from "../../../src/kernel/limits.ts";
import { appOver } from "../../support/app.ts";
import { ScriptedControlGroup } from "../../support/scripted-control-group.ts";

async function ask(method: string, path: string, headers: Record<string, string> = {}) {
  const group = new ScriptedControlGroup();
  const response = await appOver(group).app.request(path, { method, headers });
  return { response, group };
}

describe("a known path with another method is 405 and says which it takes", () => {
  test.each([
    ["PUT", "/lock/x", "DELETE, GET, HEAD, POST"],
    ["OPTIONS", "/lock/x", "DELETE, GET, HEAD, POST"],
    ["POST", "/", "GET, HEAD"],
    ["DELETE", "/locks", "GET, HEAD, POST"],
    ["PUT", "/semaphore/x", "DELETE, GET, HEAD, POST"],
    ["GET", "/session", "POST"],
    ["HEAD", "/session/ses_1", "DELETE, PUT"],
    ["GET", "/session/ses_1", "DELETE, PUT"],
    ["HEAD", "/fence/x", "POST"],
    ["GET", "/fence/x", "POST"],
    ["DELETE", "/cluster", "GET, HEAD"],
    ["POST", "/metrics", "GET, HEAD"],
    ["DELETE", "/healthz", "GET, HEAD"],
    ["POST", "/readyz", "GET, HEAD"],
  ])("%s %s", async (method, path, allow) => {
    for (const prefix of ["", "/v1"]) {
      const { response, group } = await ask(method, path === "/" && prefix !== "" ? prefix : prefix + path);
      expect(response.status).toBe(405);
      expect(response.headers.get("allow")).toBe(allow);
      if (method !== "HEAD")
        expect(((await response.json()) as { error: { code: string } }).error.code).toBe("method_not_allowed");
      expect(group.submitted).toEqual([]);
    }
  });
});

describe("an unknown path is 404 in the shape of every error", () => {
  test.each([
    ["GET", "/nothing"],
    ["POST", "/lock"],
    ["POST", "/lock/a/b"],
    ["GET", "/locks/"],
    ["POST", "/semaphore"],
    ["POST", "/semaphore/a/b"],
    ["GET", "/semaphores"],
    ["GET", "/v2/locks"],
    ["GET", "/v1/v1/locks"],
    ["GET", "/%6Cocks"],
    // A vote request that anybody can send deposes a leader: what the older system served here stays absent.
    ["POST", "/raft/vote"],
    ["POST", "/raft/append"],
    ["POST", "/raft/request_vote"],
    ["POST", "/raft/append_entries"],
  ])("%s %s", async (method, path) => {
    const { response, group } = await ask(method, path);
    expect(response.status).toBe(404);
    const body = (await response.json()) as { detail: string; error: { code: string; message: string } };
    expect(body.error.code).toBe("not_found");
    expect(body.detail).toBe(body.error.message);
    expect(group.submitted).toEqual([]);
  });
});

test("HEAD of a lock answers as GET does, without a body, and changes nothing", async () => {
  const { response, group } = await ask("HEAD", "/lock/orders");
  expect(response.status).toBe(200);
  expect(await response.text()).toBe("");
  expect(group.submitted).toEqual([]);
  expect((await ask("HEAD", "/lock/%FF")).response.status).toBe(400);
});

test("every route stands at / and at /v1", async () => {
  const { app } = appOver(new ScriptedControlGroup());
  const routes = app.routes.map(({ method, path }) => `${method} ${path}`);
  const plain = routes.filter((route) => !route.includes(" /v1"));
  const twins = routes.filter((route) => route.includes(" /v1")).map((route) => route.replace(/ \/v1(?=\/|$)/, " "));
  expect(twins.map((route) => (route.endsWith(" ") ? `${route}/` : route)).sort()).toEqual(plain.toSorted());
  expect(plain.length).toBeGreaterThan(20);
});

test.each(["/", "/v1", "/v1/", "/v1/?", "/?"])("GET %s is the state of the node", async (path) => {
  const { response } = await ask("GET", path);
  expect(response.status).toBe(200);
  expect(await response.json()).toMatchObject({ status: "online" });
});

describe("a page of another site drives no route (PROTOCOLS Q4)", () => {
  const { app } = appOver(new ScriptedControlGroup());
  const routes = new Set(
    app.routes.map(({ method, path }) => `${method === "ALL" ? "PATCH" : method} ${path.replace(/:\w+/, "x")}`),
  );
  routes.add("GET /nothing");
  const foreign: [string, Record<string, string>][] = [
    ["a foreign Host", { host: "evil.example" }],
    ["a foreign Host with our port", { host: "evil.example:8001" }],
    ["a Host that only begins as ours", { host: "localhost.evil.example" }],
    ["a Host that only ends as ours", { host: "evil-localhost" }],
    ["a Host that looks like an address", { host: "127.0.0.1.evil.example" }],
    ["an empty Host", { host: "" }],
    ["a foreign Origin", { host: "localhost:8001", origin: "http://evil.example" }],
    ["another port's Origin", { host: "localhost:8001", origin: "http://localhost:3000" }],
    ["an opaque Origin", { host: "localhost:8001", origin: "null" }],
    ["another site", { host: "localhost:8001", "sec-fetch-site": "cross-site" }],
    ["a sibling site", { host: "localhost:8001", "sec-fetch-site": "same-site" }],
    ["a value of Sec-Fetch-Site to come", { host: "localhost:8001", "sec-fetch-site": "other" }],
  ];
  test.each(foreign)("%s", async (_case, headers) => {
    for (const route of routes) {
      const [method = "", path = ""] = route.split(" ");
      const { response, group } = await ask(method, path, headers);
      expect([route, response.status]).toEqual([route, 403]);
      expect(((await response.json()) as { error: { code: string } }).error.code).toBe("forbidden");
      expect(group.submitted).toEqual([]);
      expect(group.barriers).toBe(0);
    }
  });

  test.each<[string, Record<string, string>]>([
    ["localhost", { host: "localhost:8001" }],
    ["localhost in capitals", { host: "LOCALHOST:8001" }],
    ["an IPv4 address", { host: "10.1.2.3:8001" }],
    ["an IPv6 address", { host: "[::1]:8001" }],
    ["the advertised name", { host: "node1.example:8001" }],
    [
      "the node's own page",
      { host: "localhost:8001", origin: "http://localhost:8001", "sec-fetch-site": "same-origin" },
    ],
    [
      "the same behind TLS",
      { host: "node1.example", origin: "https://node1.example", "sec-fetch-site": "same-origin" },
    ],
    ["a person who types the address", { host: "localhost:8001", "sec-fetch-site": "none" }],
  ])("%s may ask", async (_case, headers) => {
    expect((await ask("POST", "/lock/x", headers)).response.status).toBe(200);
  });

  test("a good Host is not a pass for the next one", async () => {
    const status = async (host: string) => (await app.request("/locks", { headers: { host } })).status;
    expect([await status("localhost"), await status("evil.example"), await status("localhost")]).toEqual([
      200, 403, 200,
    ]);
  });
});

describe("a node with too many requests at hand", () => {
  test("refuses new work and still serves what frees it (PROTOCOLS R9)", async () => {
    const { app, http } = appOver(new ScriptedControlGroup());
    http.inFlight = limits.maxPendingRequests * 0.9;
    const status = async (method: string, path: string) => (await app.request(path, { method })).status;
    expect(await status("POST", "/lock/x")).toBe(429);
    expect(await status("POST", "/session")).toBe(429);
    expect(await status("POST", "/semaphore/x?limit=3")).toBe(429);
    expect(await status("DELETE", "/lock/x")).toBe(200);
    expect(await status("DELETE", "/semaphore/x")).toBe(200);
    expect(await status("PUT", "/session/ses_1")).toBe(200);
    expect(await status("DELETE", "/session/ses_1")).toBe(200);
    http.inFlight = limits.maxPendingRequests;
    expect(await status("DELETE", "/lock/x")).toBe(429);
    http.inFlight = 0;
    expect(await status("POST", "/lock/x")).toBe(200);
    expect(http.inFlight).toBe(0);
  });
});
