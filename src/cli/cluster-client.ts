import { type ErrorBody, type ErrorCode, errorCodes } from "../api/errors.ts";
import { askCluster, clientAddress, type ClusterStatus } from "./ask-cluster.ts";
import { formatHostPort } from "../kernel/addresses.ts";
import { type HttpAnswer, httpRequest } from "../server/http-request.ts";
import { pause } from "./pause.ts";

/** Nobody gave an answer that stands. */
export class Unreachable extends Error {
  override name = "Unreachable";

  constructor(
    message: string,
    /** Of the error that a node answered last, if one did. */
    readonly lastCode?: ErrorCode | undefined,
  ) {
    super(message);
  }
}

/** An attempt without an answer that stands: a sentence behind the node's address, and the node's code. */
interface Failure {
  readonly why: string;
  readonly code?: ErrorCode | undefined;
}

export interface ClientCall {
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Path and query, made anew for each attempt: a wait that it asks for may have become shorter. */
  readonly target: () => string;
  /** How long one node may take. */
  readonly attemptMs: number;
  /** Until when to go on after failures, by `performance.now()`. Every node is asked once in any case. */
  readonly untilMs: number;
  /** Makes every attempt the same request (PROTOCOLS Q1). */
  readonly idempotencyKey?: string;
  /** JSON. */
  readonly body?: Uint8Array | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ClientAnswer extends HttpAnswer {
  /** By `performance.now()`, just before the request that was answered was sent. */
  readonly sentAtMs: number;
}

interface KnownNode {
  readonly url: string;
  /** Its node id, once it has shown that it is a member. Only then is it trusted with a session's id. */
  nodeId: string | undefined;
}

const CHECK_MS = 2_000;
const PAUSE_BETWEEN_ROUNDS_MS = 100;

/**
 * A cluster as a client command sees it: asks the node that answered last, and the next one when it does not answer or
 * has no leader. Beside the given addresses it knows the members that nodes name, at their default addresses.
 */
export class ClusterClient {
  private readonly nodes: KnownNode[];
  private preferred = 0;
  private clusterId: string | undefined;

  constructor(urls: readonly string[]) {
    this.nodes = urls.map((url) => ({ url, nodeId: undefined }));
  }

  /** @throws {Unreachable} */
  async call(call: ClientCall): Promise<ClientAnswer> {
    let told: Unreachable | undefined;
    for (let failures = 0; ;) {
      const node = this.nodes[this.preferred];
      if (node === undefined) throw new Unreachable("no address is one of a node of this cluster.");
      const answer = await this.attempt(node, call);
      if (!("why" in answer)) return answer;
      failures += 1;
      // A node that has no leader says more than one that is gone.
      if (answer.code !== undefined || told?.lastCode === undefined) {
        told = new Unreachable(`${node.url} ${answer.why}`, answer.code);
      }
      this.passOver(node);
      const roundIsOver = failures >= this.nodes.length;
      if (call.signal?.aborted === true || (roundIsOver && performance.now() >= call.untilMs)) {
        throw told;
      }
      if (roundIsOver && failures % this.nodes.length === 0) await pause(PAUSE_BETWEEN_ROUNDS_MS, call.signal);
    }
  }

  /** @returns an answer that stands, or why there is none */
  private async attempt(node: KnownNode, call: ClientCall): Promise<ClientAnswer | Failure> {
    const { method, attemptMs, idempotencyKey, body, signal } = call;
    if (node.nodeId === undefined) {
      const refusal = await this.check(node, Math.min(CHECK_MS, attemptMs));
      if (refusal !== undefined) return { why: refusal };
    }
    const headers = idempotencyKey === undefined ? {} : { "idempotency-key": idempotencyKey };
    const sentAtMs = performance.now();
    try {
      const answer = await httpRequest(method, `${node.url}${call.target()}`, {
        timeoutMs: attemptMs,
        headers,
        body,
        signal,
      });
      if (isFinal(answer)) return { ...answer, sentAtMs };
      return { why: `answered ${answer.status}: ${errorMessage(answer)}`, code: errorCode(answer) };
    } catch (error) {
      return { why: `does not answer: ${error instanceof Error ? error.message : String(error)}.` };
    }
  }

  /** Asks a node who it is, and learns of the others from it. @returns why it cannot be asked more */
  private async check(node: KnownNode, timeoutMs: number): Promise<string | undefined> {
    const cluster = await askCluster(node.url, timeoutMs);
    if (typeof cluster === "string") return cluster;
    this.clusterId ??= cluster.cluster_id;
    const isDouble = this.nodes.some((other) => other !== node && other.nodeId === cluster.node_id);
    if (cluster.cluster_id !== this.clusterId || isDouble) {
      this.remove(node);
      return isDouble ? `is ${cluster.node_id} under another name.` : "belongs to another cluster.";
    }
    node.nodeId = cluster.node_id;
    this.learn(cluster);
    return undefined;
  }

  private learn({ members }: ClusterStatus): void {
    for (const member of members) {
      const address = clientAddress(member);
      if (address === undefined || this.nodes.some((node) => node.nodeId === member.node_id)) continue;
      const url = `http://${formatHostPort(address)}`;
      if (!this.nodes.some((node) => node.url === url)) this.nodes.push({ url, nodeId: undefined });
    }
  }

  private passOver(node: KnownNode): void {
    if (this.nodes[this.preferred] === node) this.preferred = (this.preferred + 1) % this.nodes.length;
  }

  private remove(node: KnownNode): void {
    const index = this.nodes.indexOf(node);
    if (index === -1) return;
    this.nodes.splice(index, 1);
    if (this.preferred > index) this.preferred -= 1;
    if (this.preferred >= this.nodes.length) this.preferred = 0;
  }
}

/** Not what another node, or the same one later, would answer otherwise. */
function isFinal({ status }: HttpAnswer): boolean {
  return status !== 429 && status < 500;
}

/** The code of an error of ours. */
export function errorCode({ body }: HttpAnswer): ErrorCode | undefined {
  const code = (body as Partial<ErrorBody> | undefined)?.error?.code;
  return code !== undefined && Object.hasOwn(errorCodes, code) ? code : undefined;
}

/** What the node said, in one line. */
export function errorMessage({ status, body }: HttpAnswer): string {
  const message = (body as Partial<ErrorBody> | undefined)?.error?.message;
  return typeof message === "string" ? message : `status ${status}`;
}

/** What the node added for programs. */
export function errorDetails({ body }: HttpAnswer): unknown {
  return (body as Partial<ErrorBody> | undefined)?.error?.details;
}
