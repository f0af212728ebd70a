import { isDeepStrictEqual } from "node:util";
import { eventually } from "../support/eventually.ts";
import { type NodeClient, success } from "../support/node-client.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import type { TortureClient } from "./client.ts";
import type { Fields, History, RecoveryRecord, ReplicaRecord } from "./history.ts";
import type { Members } from "./members.ts";
import { circling, locks, residue, resources, semaphores, sentinel } from "./workload/names.ts";

/** For elections, replays of logs, reconnections; what each needs is far less. */
const DEADLINE_MS = 45_000;
/** What remains until the end. */
const KEPT = /^(sentinel|residue)-/;
const everySemaphore = [...semaphores, ...circling, residue, sentinel].map(({ semaphore }) => semaphore);
const busySemaphores = [...semaphores, ...circling].map(({ semaphore }) => semaphore);

/** Demands, after the last fault, that everything works again, and records whether it did. */
export class Recovery {
  constructor(
    private readonly cluster: ProcessCluster,
    private readonly members: Members,
    private readonly history: History,
  ) {}

  /** Everybody agrees on a leader, takes requests, and carries them out. */
  async everyNodeServes(client: TortureClient): Promise<void> {
    await this.demand("a leader that all nodes agree on", () => this.cluster.leader(this.members.ids, DEADLINE_MS));
    for (const id of this.members.ids) {
      await this.demand(`${id} is ready`, () => this.cluster.ready(id, DEADLINE_MS));
      await this.demand(`${id} grants a lock and takes it back`, () =>
        eventually(() => this.serves(client, id), { deadlineMs: DEADLINE_MS, what: "a definite answer" }),
      );
    }
  }

  /** No lock is left that nobody may hold, no semaphore and no session. */
  async nothingIsLeft(): Promise<void> {
    const client = this.cluster.client(this.members.ids[0] ?? "");
    let left: readonly string[] = [];
    await this.demand("only what should stay is left", async () => {
      await eventually(
        async () => {
          const { locks } = success(await client.locks());
          const { sessions } = success(await client.call<{ sessions: readonly unknown[] }>("GET", "/sessions"));
          const used = await Promise.all(busySemaphores.map((name) => client.semaphore(name).then(success)));
          const permits = used.filter(({ limit }) => limit !== null).map(({ semaphore }) => `semaphore ${semaphore}`);
          left = [...Object.keys(locks).filter((name) => !KEPT.test(name)), ...permits];
          return left.length === 0 && sessions.length <= 1;
        },
        { deadlineMs: DEADLINE_MS, intervalMs: 200, what: () => `locks left: ${left.join(", ")}` },
      );
    });
  }

  /** Records what every node's own copy holds at one index. */
  async compareReplicas(): Promise<void> {
    await this.demand("all replicas reach one index", async () => {
      const replicas = await eventually(
        async () => {
          const copies = await Promise.all(this.members.ids.map((id) => copyOf(id, this.cluster.client(id))));
          const [first] = copies;
          const together = copies.every((copy) => copy !== undefined && copy.as_of_index === first?.as_of_index);
          return together ? copies.filter((copy) => copy !== undefined) : undefined;
        },
        { deadlineMs: DEADLINE_MS, what: "local reads of one index" },
      );
      for (const replica of replicas) this.history.add<ReplicaRecord>(replica);
    });
  }

  /** The end, as every node tells it, for the judge: of fences, too, which refuse a token of 1 with the highest. */
  async everyNodeShows(client: TortureClient): Promise<void> {
    for (const id of this.members.ids) {
      const node = { id, url: this.cluster.url(id) };
      await client.settle("locks.list", {}, { first: { node } });
      await client.settle("locks.inspect", { lock_name: "sentinel-led" }, { first: { node } });
      for (const semaphore of everySemaphore) {
        await client.settle("semaphores.inspect", { semaphore }, { first: { node } });
      }
      const guarded = [...resources, ...locks.map((lock) => `of-${lock}`)];
      for (const resource of guarded) await client.settle("fences.check", { resource, token: 1 }, { first: { node } });
    }
  }

  private async serves(client: TortureClient, id: string): Promise<boolean> {
    const node = { id, url: this.cluster.url(id) };
    const held = { lock_name: `recovered-${id}`, owner: client.fresh() };
    const grant = await client.send("locks.acquire", { ...held, ttl: 5, timeout: 1 }, { node });
    if (grant.outcome !== "ok") return false;
    return (await client.send("locks.release", held, { node })).outcome === "ok";
  }

  private async demand(what: string, work: () => Promise<unknown>): Promise<void> {
    const from_us = this.history.nowUs();
    const failure = await work().then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? (error.message.split("\n")[0] ?? "") : String(error)),
    );
    const done = failure === undefined;
    const said = done ? what : `${what} (${failure})`;
    this.history.add<RecoveryRecord>({ type: "recovery", what: said, done, from_us, to_us: this.history.nowUs() });
  }
}

/** Undefined when the node applied something between the two questions. */
async function copyOf(id: string, node: NodeClient): Promise<Omit<ReplicaRecord, "n"> | undefined> {
  const ask = async (path: string) => success(await node.call<Fields>("GET", `${path}?consistency=local`));
  const [locks, sessions] = [await ask("/locks"), await ask("/sessions")];
  const states = await Promise.all(everySemaphore.map((name) => ask(`/semaphore/${name}`)));
  const after = await ask("/locks");
  const ageless = withoutAges(locks["locks"]) as Fields;
  if (!isDeepStrictEqual(ageless, withoutAges(after["locks"]))) return undefined;
  if (locks["as_of_index"] !== after["as_of_index"]) return undefined;
  const as_of_index = Number(locks["as_of_index"]);
  const listed = withoutAges(sessions["sessions"]) as readonly unknown[];
  const permits = Object.fromEntries(states.map((state) => [String(state["semaphore"]), withoutAges(state)]));
  return { type: "replica", node: id, as_of_index, locks: ageless, sessions: listed, semaphores: permits };
}

/** Ages depend on the moment of the question. */
function withoutAges(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutAges);
  if (typeof value !== "object" || value === null) return value;
  const kept = Object.entries(value).filter(([name]) => !/^(held_for|expires_in|waiting_for)_ms$/.test(name));
  return Object.fromEntries(kept.map(([name, field]) => [name, withoutAges(field)]));
}
