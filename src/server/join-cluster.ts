import type { z } from "zod";
import { clusterStatus } from "../api/cluster.ts";
import type { ErrorBody } from "../api/errors.ts";
import { addNode } from "../api/members.ts";
import type { DirectoryIdentity } from "../io/directory-identity.ts";
import { formatHostPort, type HostPort, readHostPort } from "../kernel/addresses.ts";
import { StartError } from "../kernel/start-error.ts";
import type { Configuration, NodeFacts, ReplicaId } from "../raft/types.ts";
import { type HttpAnswer, httpRequest } from "./http-request.ts";
import type { Logger } from "./running-node.ts";

/** The place of a node that has joined. */
export interface Joined {
  readonly replica: ReplicaId;
  /** Without voters: who votes only the log says. */
  readonly membership: Configuration;
}

const TIMEOUT_MS = 12_000;
const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 5_000;
/** Refusals that no patience changes. */
const FINAL_CODES: ReadonlySet<string> = new Set(["wrong_cluster", "bad_request", "forbidden", "not_found"]);

/** A cluster that exists, as a node that wants to join it sees it: by the client address of any of its nodes. */
export class ExistingCluster {
  constructor(
    private readonly url: string,
    private readonly log: Logger,
    private readonly signal: AbortSignal | undefined,
  ) {}

  /** Asks until somebody answers. @throws {StartError} when that is no node of ours */
  async identity(): Promise<Pick<DirectoryIdentity, "clusterId" | "clusterName" | "shards">> {
    const status = await this.ask("GET", "/cluster?consistency=local", clusterStatus.output);
    // Every node hosts every group, with a replica of it or without.
    return { clusterId: status.cluster_id, clusterName: status.cluster_name, shards: status.groups.length - 1 };
  }

  /**
   * Asks to be let in until that has happened: also while somebody else's data stands in the way, which a person has to decide.
   *
   * @throws {StartError} when it never will be
   */
  async join(node: NodeFacts, clusterId: string): Promise<Joined> {
    const query = new URLSearchParams({
      node_id: node.nodeId,
      peer_address: formatHostPort(node.peerAddress),
      incarnation: String(node.incarnation),
      cluster_id: clusterId,
    });
    if (node.clientAddress !== undefined) query.set("address", formatHostPort(node.clientAddress));
    const added = await this.ask("POST", `/cluster/nodes?${query.toString()}`, addNode.output);
    const nodes = new Map<ReplicaId, NodeFacts>();
    for (const { node_id: nodeId, replica, peer_address: address } of added.members) {
      nodes.set(replica, { nodeId, incarnation: 0, peerAddress: this.address(address), clientAddress: undefined });
    }
    const facts = { nextReplica: added.next_replica, nodes };
    return { replica: added.replica, membership: { voters: [], learners: [], facts } };
  }

  private async ask<Output extends z.ZodType>(
    method: "GET" | "POST",
    target: string,
    output: Output,
  ): Promise<z.output<Output>> {
    let told = "";
    for (let retryMs = FIRST_RETRY_MS; ; retryMs = Math.min(2 * retryMs, LAST_RETRY_MS)) {
      const answer = await this.request(method, target);
      const parsed = typeof answer === "string" ? undefined : output.safeParse(answer.body);
      if (parsed?.success === true) return parsed.data;
      const why = typeof answer === "string" ? answer : this.refusal(answer);
      if (why !== told) this.log.warn({ url: this.url }, `this node has not joined yet: ${why}`);
      told = why;
      await this.pause(retryMs);
    }
  }

  private async request(method: "GET" | "POST", target: string): Promise<HttpAnswer | string> {
    try {
      return await httpRequest(method, `${this.url}${target}`, { timeoutMs: TIMEOUT_MS, signal: this.signal });
    } catch (error) {
      this.signal?.throwIfAborted();
      return `${this.url} does not answer (${error instanceof Error ? error.message : String(error)})`;
    }
  }

  /** @throws {StartError} */
  private refusal({ status, body }: HttpAnswer): string {
    const { code, message } = (body as Partial<ErrorBody> | undefined)?.error ?? {};
    if (typeof code !== "string" || typeof message !== "string") {
      throw new StartError(`${this.url} answered ${status}, but not as a node of this version does: check --join.`);
    }
    if (FINAL_CODES.has(code)) throw new StartError(`${this.url} does not let this node join: ${message}`);
    return message;
  }

  private address(text: string): HostPort {
    const address = readHostPort(text);
    if (address !== undefined) return address;
    throw new StartError(`${this.url} names a peer address that cannot be one: check --join.`);
  }

  private async pause(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    this.signal?.addEventListener("abort", () => resolve(), { once: true });
    await promise;
    clearTimeout(timer);
    this.signal?.throwIfAborted();
  }
}
