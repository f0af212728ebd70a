import { afterEach, describe, expect, test } from "bun:test";
import { limits } from "../../../src/kernel/limits.ts";
import { StartError } from "../../../src/kernel/start-error.ts";
import { type Fetch, type HttpServer, startHttpServer } from "../../../src/server/http-server.ts";
import { appOver } from "../../support/app.ts";
import { LocalControlGroup } from "../../support/local-control-group.ts";

const loopback = { host: "127.0.0.1", port: 0 };
const running: HttpServer[] = [];

function start(fetch: Fetch, onInternalError: (error: unknown) => void = () => undefined) {
  const server = startHttpServer(loopback, fetch, onInternalError);
  running.push(server);
  return { server, url: `http://127.0.0.1:${server.address.port}` };
}

async function eventually(holds: () => boolean): Promise<void> {
  const deadlineMs = performance.now() + 5000;
  while (!holds()) {
    if (performance.now() > deadlineMs) throw new Error("it never came to hold");
    await Bun.sleep(2);
  }
}

afterEach(async () => {
  await Promise.all(running.splice(0).map((server) => server.stop(0)));
});

describe("a start that cannot be is refused in one sentence", () => {
  test("for a port that is taken", () => {
    const { server } = start(() => new Response());
    const again = () =>
      startHttpServer(
        server.address,
        () => new Response(),
        () => undefined,
      );
    expect(again).toThrow(StartError);
    expect(again).toThrow(`The address 127.0.0.1:${server.address.port} is in use by another process`);
    expect(again).toThrow("--listen HOST:PORT");
  });

  test("for an address that is not this machine's", () => {
    const elsewhere = () =>
      startHttpServer(
        { host: "192.0.2.1", port: 0 },
        () => new Response(),
        () => undefined,
      );
    expect(elsewhere).toThrow(StartError);
    expect(elsewhere).toThrow("192.0.2.1:0");
  });
});

describe("a stop", () => {
  test("lets requests at hand end and refuses new ones", async () => {
    const gate = Promise.withResolvers<void>();
    let arrived = 0;
    const { server, url } = start(async () => {
      arrived++;
      await gate.promise;
      return new Response("done");
    });
    const atHand = fetch(url);
    await eventually(() => arrived === 1);
    const stopped = server.stop(5000);
    const late = await fetch(url);
    expect([late.status, late.headers.get("retry-after"), late.headers.get("connection")]).toEqual([503, "1", "close"]);
    expect(await late.json()).toMatchObject({ error: { code: "no_leader", details: { reason: "stopping" } } });
    gate.resolve();
    expect(await (await atHand).text()).toBe("done");
    await stopped;
    await expect(fetch(url)).rejects.toThrow();
    expect(arrived).toBe(1);
  });

  test("cuts what does not end within its grace", async () => {
    let arrived = false;
    const { server, url } = start(() => {
      arrived = true;
      return new Promise<Response>(() => undefined);
    });
    const hanging = fetch(url).then(
      () => "answered",
      () => "cut",
    );
    await eventually(() => arrived);
    await server.stop(20);
    expect(await hanging).toBe("cut");
    await server.stop(20);
  });
});

test("whatever a handler throws, the client learns nothing of it", async () => {
  const seen: unknown[] = [];
  const { url } = start(
    () => {
      throw new Error("secret /etc/path");
    },
    (error) => seen.push(error),
  );
  const response = await fetch(url);
  const text = await response.text();
  expect(response.status).toBe(500);
  expect(JSON.parse(text).error.code).toBe("internal");
  expect(text).not.toContain("secret");
  expect(seen).toHaveLength(1);
});

describe("the application behind a real socket", () => {
  function startNode() {
    const group = new LocalControlGroup();
    const { app } = appOver(group);
    return { group, ...start((request, server) => app.fetch(request, server)) };
  }

  test("grants and releases", async () => {
    const { url } = startNode();
    const grant = await fetch(`${url}/lock/a%2Fb?owner=a`, { method: "POST" });
    expect(await grant.json()).toMatchObject({ status: "acquired", lock_name: "a/b", owner: "a" });
    const release = await fetch(`${url}/lock/a%2Fb`, { method: "DELETE", body: JSON.stringify({ owner: "a" }) });
    expect(await release.json()).toMatchObject({ status: "released", lock_name: "a/b" });
  });

  test("refuses a body that is too large with a typed error", async () => {
    const { url } = startNode();
    const body = JSON.stringify({ owner: "x".repeat(2 * limits.maxBodyBytes) });
    const response = await fetch(`${url}/lock/x`, { method: "POST", body });
    expect(response.status).toBe(413);
    expect(((await response.json()) as { error: { code: string } }).error.code).toBe("too_large");
  });

  test("refuses a body that is too large whose length is not told", async () => {
    const { url } = startNode();
    const chunk = new Uint8Array(64 * 1024).fill(0x20);
    let left = 32;
    const body = new ReadableStream({
      pull: (controller) => (left-- > 0 ? controller.enqueue(chunk) : controller.close()),
    });
    const response = await fetch(`${url}/lock/x`, { method: "POST", body });
    expect(response.status).toBe(413);
  });

  test("takes the waiter of a client that went away out of the queue (PROTOCOLS L7)", async () => {
    const { group, url } = startNode();
    await fetch(`${url}/lock/x?owner=a`, { method: "POST" });
    const abort = new AbortController();
    const waiting = fetch(`${url}/lock/x?owner=b&timeout=60`, { method: "POST", signal: abort.signal }).catch(
      () => "gone",
    );
    await eventually(() => group.state.view("x").waiters.length === 1);
    abort.abort();
    expect(await waiting).toBe("gone");
    await eventually(() => group.state.view("x").waiters.length === 0);
  });

  test("takes the places of a request for several locks, and of one for permits, out of their queues as well", async () => {
    const { group, url } = startNode();
    await fetch(`${url}/lock/y?owner=a`, { method: "POST" });
    await fetch(`${url}/semaphore/s?owner=a&limit=1`, { method: "POST" });
    const abort = new AbortController();
    const { signal } = abort;
    const body = JSON.stringify({ locks: [{ name: "x" }, { name: "y" }], owner: "b", timeout: 60 });
    const waiting = [
      fetch(`${url}/locks`, { method: "POST", body, signal }),
      fetch(`${url}/semaphore/s?owner=b&limit=1&timeout=60`, { method: "POST", signal }),
    ].map((request) => request.catch(() => "gone"));
    const places = () => [
      group.state.view("x").waiters.length,
      group.state.view("y").waiters.length,
      group.state.semaphore("s").waiters.length,
    ];
    await eventually(() => Bun.deepEquals(places(), [1, 1, 1]));
    abort.abort();
    expect(await Promise.all(waiting)).toEqual(["gone", "gone"]);
    await eventually(() => Bun.deepEquals(places(), [0, 0, 0]));
  });

  test("gives the place of an observer that went away back at once", async () => {
    const { group, url } = startNode();
    const abort = new AbortController();
    const waiting = fetch(`${url}/lock/x?wait=60&after=0`, { signal: abort.signal }).catch(() => "gone");
    await eventually(() => group.observers.count === 1);
    abort.abort();
    expect(await waiting).toBe("gone");
    await eventually(() => group.observers.count === 0);
    expect(group.status().lastIndex).toBe(1);
  });

  test("answers an observer when the lock is taken", async () => {
    const { group, url } = startNode();
    const waiting = fetch(`${url}/lock/x?wait=60&after=0`);
    await eventually(() => group.observers.count === 1);
    await fetch(`${url}/lock/x?owner=a&value=here`, { method: "POST" });
    expect(await (await waiting).json()).toMatchObject({ status: "held", owners: ["a"], value: "here" });
  });

  test("waits for a lock longer than an ordinary request may be silent, and answers when its time is over", async () => {
    const { url } = startNode();
    await fetch(`${url}/lock/x?owner=a`, { method: "POST" });
    const response = await fetch(`${url}/lock/x?owner=b&timeout=0.05`, { method: "POST" });
    expect(response.status).toBe(423);
    expect(await response.json()).toMatchObject({ error: { details: { holders: [{ owner: "a" }] } } });
  });

  test("takes a request line with raw bytes that no URL has", async () => {
    const { server } = startNode();
    const { promise, resolve } = Promise.withResolvers<string>();
    await Bun.connect({
      hostname: "127.0.0.1",
      port: server.address.port,
      socket: {
        open: (socket) => void socket.write("GET /lock/%FF HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
        data: (_socket, data) => resolve(data.toString()),
      },
    });
    expect(await promise).toStartWith("HTTP/1.1 400");
  });
});
