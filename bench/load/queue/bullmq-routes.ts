import { type Job, Queue, Worker } from "bullmq";
import { Hono } from "hono";
import { JOB_OPTIONS } from "./bullmq.ts";

/**
 * BullMQ behind our routes, as a process of its own: what a team has that puts its queue behind HTTP. Jobs are fetched by hand
 * (docs.bullmq.io, "Manually processing jobs"), a batch of them side by side on one connection. A receive never waits: the
 * load that this is for never asks for more than there is.
 *
 * `bun bullmq-routes.ts PORT_OF_REDIS` prints its port.
 */
const connection = { host: "127.0.0.1", port: Number(process.argv[2]) };

interface Named {
  readonly queue: Queue;
  readonly worker: Worker;
}

const queues = new Map<string, Named>();
/** What is in flight, by the token of its lock: so an ack need not read the job again. */
const held = new Map<string, Job>();
let taken = 0;

function named(name: string): Named {
  let found = queues.get(name);
  if (found === undefined) {
    const queue = new Queue(name, { connection, defaultJobOptions: JOB_OPTIONS });
    const worker = new Worker(name, null, { connection, autorun: false });
    found = { queue, worker };
    queues.set(name, found);
  }
  return found;
}

interface Taken {
  readonly id: string | undefined;
  readonly attempt: number;
  readonly ack_token: string;
  readonly data: unknown;
}

async function take(name: string): Promise<Taken | undefined> {
  const token = `${process.pid}-${(taken += 1)}`;
  const job = (await named(name).worker.getNextJob(token, { block: false })) as Job | undefined;
  if (job === undefined) return undefined;
  held.set(token, job);
  return { id: job.id, attempt: job.attemptsStarted, ack_token: token, data: job.data as unknown };
}

async function complete(token: string): Promise<void> {
  const job = held.get(token);
  if (job === undefined) throw new Error(`nothing is in flight under ${token}`);
  held.delete(token);
  await job.moveToCompleted(undefined, token, false);
}

const app = new Hono();

app.post("/queue/ack", async (c) => {
  const { ack_token: one, ack_tokens: many } = await c.req.json<{ ack_token?: string; ack_tokens?: string[] }>();
  await Promise.all((many ?? (one === undefined ? [] : [one])).map(complete));
  return c.json({ status: "acknowledged" });
});

app.post("/queue/:name", async (c) => {
  const queue = c.req.param("name");
  const job = await named(queue).queue.add("message", await c.req.json());
  return c.json({ status: "produced", queue, id: job.id });
});

app.get("/queue/:name", async (c) => {
  const queue = c.req.param("name");
  const message = await take(queue);
  return c.json(message === undefined ? { status: "empty", queue } : { status: "consumed", ...message });
});

app.post("/queue/:name/batch", async (c) => {
  const { messages } = await c.req.json<{ messages: { data: unknown }[] }>();
  const jobs = await named(c.req.param("name")).queue.addBulk(messages.map(({ data }) => ({ name: "message", data })));
  return c.json({ ids: jobs.map((job) => job.id) });
});

app.post("/queue/:name/receive", async (c) => {
  const { max } = await c.req.json<{ max: number }>();
  const queue = c.req.param("name");
  const messages = await Promise.all(Array.from({ length: max }, () => take(queue)));
  return c.json({ messages: messages.filter((message) => message !== undefined) });
});

const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: app.fetch });
console.log(server.port);
