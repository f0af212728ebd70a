import { rm } from "node:fs/promises";
import type { Prng } from "../../src/kernel/prng.ts";
import { eventually } from "../support/eventually.ts";
import { call } from "../support/node-client.ts";
import type { ProcessCluster } from "../support/process-cluster.ts";
import type { TargetNode } from "./client.ts";

/**
 * A change of the members, with what strikes meanwhile: of two voters, parted every few seconds on a busy machine, none led for a
 * minute. Faults that do not cease leave no bound; five minutes of them are as good as none that would ever end.
 */
const CHANGE_MS = 300_000;
const ANSWER_MS = 12_000;
/** One who removes a node goes on telling clients of it for so long. */
const FORGET_MS = 1_500;

interface Status {
  readonly members: readonly {
    readonly node_id: string;
    readonly replica: number;
    readonly role: string;
    readonly match_index: number | null;
  }[];
  readonly groups: readonly { readonly leader: string | null; readonly commit_index: number }[];
}

/** Who belongs to the cluster now, as an operator knows it, and what an operator does about it. */
export class Members {
  /** Nodes that clients know of: they change while they are used. */
  readonly known: TargetNode[] = [];
  private current: readonly string[];

  /** @param log told of what an operator is answered */
  constructor(
    private readonly cluster: ProcessCluster,
    founders: readonly string[],
    private readonly log: (line: string) => void,
  ) {
    this.current = founders;
    for (const id of founders) this.known.push(this.target(id));
  }

  get ids(): readonly string[] {
    return this.current;
  }

  /** Nodes that could join. */
  get spare(): readonly string[] {
    return this.cluster.ids.filter((id) => !this.current.includes(id));
  }

  others(id: string): string[] {
    return this.current.filter((other) => other !== id);
  }

  /** Starts a node without data, as one that wants to join. */
  join(id: string, prng: Prng): void {
    this.cluster.startNode(id, { "--join": this.cluster.url(prng.pick(this.others(id))) });
  }

  /** @throws when it is no voter in time */
  async joined(id: string): Promise<void> {
    await eventually(async () => (await this.roleOf(id)) === "voter", {
      deadlineMs: CHANGE_MS,
      intervalMs: 200,
      what: `${id} votes`,
    });
    if (!this.current.includes(id)) this.current = [...this.current, id].toSorted();
    if (!this.known.some((node) => node.id === id)) this.known.push(this.target(id));
  }

  /** @throws when nobody has carried it out in time */
  async remove(id: string, prng: Prng): Promise<void> {
    // What was answered with an unknown outcome before has happened then.
    await this.carryOut(prng, "DELETE", `/cluster/nodes/${id}`, undefined, (code) => code === "unknown_node");
    this.current = this.others(id);
  }

  /** What the node knew counts no more; it joins anew. @throws likewise */
  async replace(id: string, prng: Prng): Promise<void> {
    const before = await this.replicaOf(id);
    // Never twice: the second time it would be the node that has just joined.
    await this.carryOut(prng, "POST", "/cluster/nodes", { node_id: id, replace: true }, async () => {
      const now = await this.replicaOf(id);
      return before !== undefined && now !== undefined && now !== before;
    });
  }

  /** Clients do not ask it any more, some time after it has gone. */
  forget(id: string): void {
    setTimeout(() => {
      const at = this.known.findIndex((node) => node.id === id);
      if (at >= 0 && !this.current.includes(id)) this.known.splice(at, 1);
    }, FORGET_MS);
  }

  /** All that was committed when this was asked is on the node's disk, as the leader knows. @throws when not in time */
  async whole(id: string, deadlineMs: number): Promise<void> {
    let wanted: number | undefined;
    await eventually(
      async () => {
        const status = await this.leaderStatus();
        const held = status?.members.find(({ node_id }) => node_id === id)?.match_index ?? 0;
        wanted ??= status?.groups[0]?.commit_index;
        return wanted !== undefined && held >= wanted;
      },
      { deadlineMs, intervalMs: 200, what: `${id} has everything` },
    );
    await this.cluster.ready(id, deadlineMs);
  }

  async wipe(id: string): Promise<void> {
    // What is in it: it may be where a disk is mounted.
    await rm(this.cluster.node(id).dataDirectory, { recursive: true, force: true }).catch(() => undefined);
  }

  private async carryOut(
    prng: Prng,
    method: string,
    path: string,
    body: unknown,
    isDone: (code: string | undefined) => boolean | Promise<boolean>,
  ): Promise<void> {
    let code: string | undefined;
    await eventually(
      async () => {
        if (await isDone(code)) return true;
        const through = prng.pick(this.current);
        const url = `${this.cluster.url(through)}${path}`;
        const startMs = performance.now();
        const reply = await call(method, url, { body, timeoutMs: ANSWER_MS }).catch(() => undefined);
        code = reply === undefined || reply.status === 200 ? undefined : reply.body.error.code;
        const answer = reply === undefined ? "no answer" : `${reply.status} ${code ?? ""}`.trimEnd();
        const tookMs = Math.round(performance.now() - startMs);
        this.log(`${method} ${path} at ${through}: ${answer} after ${tookMs} ms`);
        return reply?.status === 200;
      },
      { deadlineMs: CHANGE_MS, intervalMs: 300, what: `${method} ${path} ${JSON.stringify(body ?? {})}` },
    );
  }

  /** By the word of whoever leads, as soon as somebody does; 0 for a node that is no member. */
  private replicaOf(id: string): Promise<number | undefined> {
    const look = async (): Promise<{ readonly replica: number } | undefined> => {
      const status = await this.leaderStatus();
      if (status === undefined) return undefined;
      return { replica: status.members.find(({ node_id }) => node_id === id)?.replica ?? 0 };
    };
    return eventually(look, { deadlineMs: CHANGE_MS, intervalMs: 200, what: "a leader" }).then(
      ({ replica }) => replica,
      () => undefined,
    );
  }

  private async roleOf(id: string): Promise<string | undefined> {
    return (await this.leaderStatus())?.members.find(({ node_id }) => node_id === id)?.role;
  }

  /** Of whoever leads. */
  private async leaderStatus(): Promise<Status | undefined> {
    for (const id of this.current) {
      const url = `${this.cluster.url(id)}/cluster?consistency=local`;
      const reply = await call<Status>("GET", url, { timeoutMs: 1_000 }).catch(() => undefined);
      if (reply?.status === 200 && reply.body.groups[0]?.leader === id) return reply.body;
    }
    return undefined;
  }

  private target(id: string): TargetNode {
    return { id, url: this.cluster.url(id) };
  }
}
