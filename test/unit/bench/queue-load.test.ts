import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import type { QueueRow, Shape } from "../../../bench/load/queue/contender.ts";
import { bodyOf, queueNames, queueOf } from "../../../bench/load/queue/contender.ts";
import { Credits } from "../../../bench/load/queue/credits.ts";
import { type QueueComparison, queueMarkdownOf } from "../../../bench/load/queue/command.ts";
import { queueFiguresOf } from "../../../bench/load/queue/figures.ts";
import { HttpRefusal, openHttpLoad } from "../../../bench/load/queue/http-load.ts";
import { ratesOf, shapesOf } from "../../../bench/load/queue/rates.ts";
import type { Run } from "../../../bench/load/drive.ts";

const shape: Shape = { outstanding: 64, batch: 10, bodyBytes: 100, queues: 1 };
const runs = (...perSecond: number[]): Run[] => perSecond.map((rate) => ({ perSecond: rate, p50Ms: 1, p99Ms: 2 }));

/** The routes of a queue over an array; every third receive of many gets one message only. */
class ArrayQueue implements Disposable {
  readonly ready: unknown[] = [];
  readonly requests: string[] = [];
  private readonly held = new Map<string, unknown>();
  private readonly server: Bun.Server<undefined>;

  constructor(private readonly faults: { readonly loses?: boolean; readonly acksInPart?: boolean } = {}) {
    const app = new Hono()
      .use(async (c, next) => {
        const { pathname, search } = new URL(c.req.url);
        this.requests.push(`${c.req.method} ${pathname}${search}`);
        await next();
      })
      .post("/queue/ack", async (c) => {
        const input = await c.req.json<{ ack_token?: string; ack_tokens?: string[] }>();
        for (const token of input.ack_tokens ?? [input.ack_token ?? ""]) {
          if (!this.held.delete(token)) return c.json({ detail: "stale" }, 409);
        }
        return c.json({ status: this.faults.acksInPart === true ? "partial" : "acknowledged" });
      })
      .post("/queue/:name", async (c) => {
        this.publish(await c.req.json());
        return c.json({ status: "produced" });
      })
      .get("/queue/:name", (c) => {
        const [token] = this.take(1);
        return c.json(token === undefined ? { status: "empty" } : { status: "consumed", ack_token: token });
      })
      .post("/queue/:name/batch", async (c) => {
        const { messages } = await c.req.json<{ messages: { data: unknown }[] }>();
        for (const { data } of messages) this.publish(data);
        return c.json({ ids: [] });
      })
      .post("/queue/:name/receive", async (c) => {
        const { max } = await c.req.json<{ max: number }>();
        const tokens = this.take(this.requests.length % 3 === 0 ? 1 : max);
        return c.json({ messages: tokens.map((token) => ({ ack_token: token })) });
      });
    this.server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
  }

  get target(): { host: string; port: number } {
    return { host: "127.0.0.1", port: this.server.port ?? 0 };
  }

  get inFlight(): number {
    return this.held.size;
  }

  [Symbol.dispose](): void {
    void this.server.stop(true);
  }

  private publish(message: unknown): void {
    if (this.faults.loses !== true) this.ready.push(message);
  }

  private take(max: number): string[] {
    return this.ready.splice(0, max).map((message) => {
      const token = crypto.randomUUID();
      this.held.set(token, message);
      return token;
    });
  }
}

async function pass(queue: ArrayQueue, batch: number): Promise<void> {
  const load = await openHttpLoad([queue.target], { ...shape, outstanding: 2, batch });
  try {
    await Promise.all([load.pass(0), load.pass(1)]);
  } finally {
    await load.close();
  }
}

describe("a pass over HTTP", () => {
  test.each([1, 7])("takes and acks as many as it published, in batches of %i", async (batch) => {
    using queue = new ArrayQueue();
    await pass(queue, batch);
    expect([queue.ready.length, queue.inFlight]).toEqual([0, 0]);
  });

  test("goes by the routes for one message where a batch is one", async () => {
    using queue = new ArrayQueue();
    await pass(queue, 1);
    const asked = new Set(queue.requests);
    expect([...asked].toSorted()).toEqual([
      "GET /queue/bench-0?wait=5",
      "POST /queue/ack",
      "POST /queue/bench-0?echo=0",
    ]);
  });

  test("fails when what was confirmed does not come", async () => {
    using queue = new ArrayQueue({ loses: true });
    await expect(pass(queue, 3)).rejects.toThrow("3 messages that were confirmed do not come");
  });

  test("fails when not all of several are acknowledged", async () => {
    using queue = new ArrayQueue({ acksInPart: true });
    await expect(pass(queue, 3)).rejects.toThrow("not all were acknowledged: partial");
  });

  test("tells a system that has no such route", async () => {
    using server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("no", { status: 404 }) });
    const load = await openHttpLoad([{ host: "127.0.0.1", port: server.port ?? 0 }], shape);
    await expect(load.pass(0)).rejects.toThrow(HttpRefusal);
    await load.close();
  });
});

describe("credits", () => {
  test("let those go on who came first", async () => {
    const credits = new Credits();
    const order: string[] = [];
    const waits = [credits.take(2).then(() => order.push("first")), credits.take(1).then(() => order.push("second"))];
    for (let i = 0; i < 3; i++) credits.give();
    await Promise.all(waits);
    expect(order).toEqual(["first", "second"]);
  });

  test("are kept for who comes later", async () => {
    const credits = new Credits();
    credits.give();
    credits.give();
    await credits.take(2);
    let early = true;
    const third = credits.take(1).then(() => (early = false));
    await Promise.resolve();
    expect(early).toBe(true);
    credits.give();
    await third;
  });
});

describe("the shapes of a run", () => {
  test("are all combinations that memory has room for", () => {
    const shapes = shapesOf({
      rounds: 1,
      seconds: 1,
      outstanding: [1, 256],
      batches: [1, 100],
      bodies: [100, 10_000],
      queues: [1],
    });
    expect(shapes).toHaveLength(7);
    expect(shapes).not.toContainEqual({ outstanding: 256, batch: 100, bodyBytes: 10_000, queues: 1 });
  });

  test("have bodies of exactly the size they say", () => {
    for (const bytes of [26, 100, 10_000]) {
      expect(Buffer.byteLength(JSON.stringify(JSON.parse(bodyOf(bytes))))).toBe(bytes);
    }
  });

  test("have no queue without a client", () => {
    expect(queueNames({ ...shape, queues: 100, outstanding: 2 })).toEqual(["bench-0", "bench-1"]);
    expect(queueOf(5, { ...shape, queues: 4 })).toBe("bench-1");
  });
});

describe("the rates of queues", () => {
  const measured = new Map<QueueRow, Run[]>([
    // A machine that was twice as fast in the second round moved no ratio.
    ["mufakat", runs(300, 600)],
    ["BullMQ, always", runs(100, 200)],
  ]);

  test("are messages, not batches, and compared round by round", () => {
    const rates = ratesOf(measured, shape).map(({ row, messagesPerSecond, ratio }) => [
      row,
      messagesPerSecond.median,
      ratio?.median,
    ]);
    expect(rates).toEqual([
      ["mufakat", 4_500, undefined],
      ["BullMQ, always", 1_500, 3],
    ]);
  });

  test("are held against the figures that are demanded", () => {
    expect(queueFiguresOf(ratesOf(measured, shape))).toMatchObject([{ demanded: "≥ 2", measured: 3, met: true }]);
    expect(queueFiguresOf(ratesOf(measured, { ...shape, outstanding: 1 }))).toEqual([]);
  });

  test("have no ratio where ours was not measured", () => {
    const [rate] = ratesOf(new Map<QueueRow, Run[]>([["NATS JetStream", runs(100)]]), shape);
    expect(rate?.ratio).toBeUndefined();
  });

  test("become a table that says who is missing", () => {
    const comparison: QueueComparison = {
      at: "2026-01-02T03:04:05.000Z",
      seconds: 9,
      loadBefore: 0.5,
      versions: { mufakat: "1.0.0" },
      machine: { processors: 2, model: "a model", memory_gib: 24, kernel: "6.1", setting: "one disk" },
      skipped: ["NATS JetStream: there is no `nats-server` on the PATH"],
      rates: ratesOf(measured, shape),
    };
    const text = queueMarkdownOf(comparison);
    expect(text).toContain("Not measured: NATS JetStream: there is no `nats-server` on the PATH.");
    expect(text).toContain("| 1 | 100 | 10 | 64 | BullMQ, always | 1,500 (1,000–2,000) | 1.00 | 2.00 | 3.00 |");
  });
});
