import { Prng } from "../../src/kernel/prng.ts";
import type { Hold } from "./lock-history.ts";
import { NodeChoice } from "./node-choice.ts";
import { NodeClient, type Reply } from "./node-client.ts";

export interface LoadOptions {
  readonly urls: readonly string[];
  readonly clients: number;
  readonly locks: readonly string[];
  readonly seed: number;
}

const CALL_TIMEOUT_MS = 20_000;
/** Far longer than a hold lasts here, so that no lease ever runs out. */
const TTL_SECONDS = 300;
const WAIT_SECONDS = 2;

/**
 * Clients that lock, write through a fence, and release, each through any node. What has no definite answer (504, a
 * connection that broke) is asked again under the same `Idempotency-Key`, what was definitely not done (503) under a new one.
 */
export class LockLoad {
  readonly holds: Hold[] = [];
  /** Answers that no client should ever get: a release by somebody whose hold is over, a fence that refuses the holder … */
  readonly surprises: string[] = [];
  /** What became of requests that were asked again because nobody knew their outcome. */
  readonly unknown: string[] = [];
  /** Requests that found no leader. */
  refusals = 0;
  /** Requests that went to another node because this one was stopping, or did not run. */
  turnedAway = 0;
  /** The longest that anybody was without a definite answer, asking again included. */
  longestMs = 0;
  private stopping = false;
  private readonly running: Promise<void>[] = [];
  private readonly nodes: NodeChoice<NodeClient>;

  constructor(private readonly options: LoadOptions) {
    this.nodes = new NodeChoice(options.urls.map((url) => new NodeClient(url)));
    for (let i = 0; i < options.clients; i++) this.running.push(this.client(i));
  }

  /** Lets every client end what it is doing. */
  async stop(): Promise<void> {
    this.stopping = true;
    await Promise.all(this.running);
  }

  private async client(number: number): Promise<void> {
    const prng = new Prng(this.options.seed * 1_000 + number);
    for (let round = 0; !this.stopping; round++) await this.cycle(prng, `c${number}-${round}`);
  }

  /** One hold from its acquire to a second release of it, which must fail. */
  private async cycle(prng: Prng, name: string): Promise<void> {
    const lock = prng.pick(this.options.locks);
    const mode = prng.chance(0.3) ? "shared" : "exclusive";
    const invokedMs = performance.now();
    const grant = await this.settle(prng, `${name} acquires`, [200, 423], (node, options, attempt) =>
      // Another owner after a 503: had the refused request been granted after all, its lock would stay held and show.
      node.acquire(
        lock,
        { owner: `${name}-${attempt}`, lock_type: mode, ttl: TTL_SECONDS, timeout: WAIT_SECONDS },
        options,
      ),
    );
    if (grant?.status !== 200) return;
    const { fencing_token: token, owner } = grant.body;
    const grantedMs = performance.now();
    await this.settle(prng, `${owner} writes with ${token}`, [200], (node, options) =>
      node.fence(`of-${lock}`, token, options),
    );
    this.holds.push({ lock, mode, owner, token, invokedMs, grantedMs, releasedMs: performance.now() });
    const release = (node: NodeClient, options: object) => node.release(lock, { owner, fencing_token: token }, options);
    await this.settle(prng, `${owner} releases ${token}`, [200], release);
    await this.settle(prng, `${owner} releases ${token} once more`, [403, 404, 409], release);
  }

  private turnAway(node: NodeClient): void {
    this.turnedAway++;
    this.nodes.turnAway(node);
  }

  /** Asks until there is a definite answer. @returns it, or undefined when it is none of those expected */
  private async settle<Body>(
    prng: Prng,
    what: string,
    expected: readonly number[],
    ask: (
      node: NodeClient,
      options: { headers: Record<string, string>; timeoutMs: number },
      attempt: number,
    ) => Promise<Reply<Body>>,
  ): Promise<Reply<Body> | undefined> {
    const startMs = performance.now();
    const deadlineMs = startMs + 60_000;
    for (let key = 1; performance.now() < deadlineMs;) {
      const headers = { "Idempotency-Key": `${what} ${key}` };
      let reply: Reply<Body> | undefined;
      let why = "504";
      const node = this.nodes.pick(prng);
      try {
        reply = await ask(node, { headers, timeoutMs: CALL_TIMEOUT_MS }, key);
      } catch (error) {
        // The node is down, or went down with the request: then nobody knows.
        why = error instanceof Error && "code" in error ? String(error.code) : String(error);
      }
      if (reply === undefined || reply.status === 504) {
        if (why === "ECONNREFUSED") this.turnAway(node);
        else this.unknown.push(`${what}: ${why}`);
        // Of a dead node's port: do not spin.
        await Bun.sleep(5);
      } else if (reply.status === 503) {
        if (reply.body.error.details?.["reason"] === "stopping") this.turnAway(node);
        else this.refusals++;
        key++;
      } else if (expected.includes(reply.status)) {
        this.longestMs = Math.max(this.longestMs, performance.now() - startMs);
        return reply;
      } else {
        this.surprises.push(`${what}: ${reply.status} ${JSON.stringify(reply.body)}`);
        return undefined;
      }
    }
    this.surprises.push(`${what}: no definite answer within a minute`);
    return undefined;
  }
}
