import { errorCodes, type ErrorMeaning } from "../../src/api/errors.ts";
import { Prng } from "../../src/kernel/prng.ts";
import type { NodeChoice } from "../support/node-choice.ts";
import { call, query, segment } from "../support/node-client.ts";
import type { Fields, History, OperationName, OperationRecord } from "./history.ts";
import { isDecided } from "./requests.ts";

export interface TargetNode {
  readonly id: string;
  readonly url: string;
}

/** What all clients of a run share. */
export interface Surroundings {
  readonly history: History;
  readonly nodes: NodeChoice<TargetNode>;
  /** No new round is begun any more. */
  stopping: boolean;
}

export interface SendOptions {
  readonly key?: string | undefined;
  readonly node?: TargetNode | undefined;
  /** The client goes away after so long, as one does that loses its connection. */
  readonly abortAfterMs?: number | undefined;
}

/** Where each operation is served over HTTP; the fields that its path does not hold go into query or body. */
const doors: Readonly<Record<OperationName, readonly [method: string, pattern: string]>> = {
  "locks.acquire": ["POST", "/lock/:lock_name"],
  "locks.acquireAll": ["POST", "/locks"],
  "locks.release": ["DELETE", "/lock/:lock_name"],
  "locks.inspect": ["GET", "/lock/:lock_name"],
  "locks.list": ["GET", "/locks"],
  "sessions.open": ["POST", "/session"],
  "sessions.renew": ["PUT", "/session/:session"],
  "sessions.close": ["DELETE", "/session/:session"],
  "sessions.list": ["GET", "/sessions"],
  "fences.check": ["POST", "/fence/:resource"],
  "semaphores.acquire": ["POST", "/semaphore/:semaphore"],
  "semaphores.release": ["DELETE", "/semaphore/:semaphore"],
  "semaphores.inspect": ["GET", "/semaphore/:semaphore"],
};

/** Beyond what it asked to wait; shorter than the node's own patience, so that clients do go away now and then. */
const PATIENCE_MS = 6_500;
const SETTLE_MS = 60_000;
const BACK_OFF_MS = 20;

/** One client: sends requests to any node, and records each with its end. */
export class TortureClient {
  private given = 0;

  constructor(
    readonly name: string,
    readonly prng: Prng,
    private readonly surroundings: Surroundings,
  ) {}

  get stopping(): boolean {
    return this.surroundings.stopping;
  }

  nowUs(): number {
    return this.surroundings.history.nowUs();
  }

  /** A name that no client has used before. */
  fresh(): string {
    return `${this.name}-${++this.given}`;
  }

  /** Somebody else to act at the same time, with names and choices of their own. */
  another(number: number): TortureClient {
    return new TortureClient(`${this.fresh()}.${number}`, new Prng(this.prng.uint32()), this.surroundings);
  }

  /** Waits for a time drawn from 0 to `maxMs`. */
  async think(maxMs: number): Promise<void> {
    await Bun.sleep(this.prng.next() * maxMs);
  }

  /** One request to one node. */
  async send(operation: OperationName, input: Fields, options: SendOptions = {}): Promise<OperationRecord> {
    const { history, nodes } = this.surroundings;
    const { key } = options;
    const node = options.node ?? nodes.pick(this.prng);
    const asked = { type: "operation" as const, client: this.name, node: node.id, operation, input };
    const headers: Record<string, string> = key === undefined ? {} : { "Idempotency-Key": key };
    const timeoutMs = options.abortAfterMs ?? PATIENCE_MS + Number(input["timeout"] ?? input["wait"] ?? 0) * 1_000;
    const from_us = history.nowUs();
    const known = { ...asked, ...(key === undefined ? {} : { key }), from_us };
    try {
      const [method, path, fields] = address(operation, input);
      const url = `${node.url}${path}`;
      const { status, body } = await call<Fields>(method, url, { headers, timeoutMs, body: fields });
      const to_us = history.nowUs();
      if (status === 200) return history.add<OperationRecord>({ ...known, to_us, outcome: "ok", status, output: body });
      const meanings: Readonly<Record<string, ErrorMeaning>> = errorCodes;
      const { code } = body.error;
      const outcome = meanings[code]?.outcome === "definite" ? "error" : "unknown";
      if (body.error.details?.["reason"] === "stopping") nodes.turnAway(node);
      return history.add<OperationRecord>({ ...known, to_us, outcome, status, code, output: { ...body } });
    } catch (error) {
      const code = connectionCode(error);
      const refused = code === "ECONNREFUSED";
      if (refused) nodes.turnAway(node);
      // Nobody listened, so nobody can have heard; whatever else happened to the connection, somebody may.
      const outcome = refused ? "error" : "unknown";
      return history.add<OperationRecord>({ ...known, to_us: history.nowUs(), outcome, code });
    }
  }

  /**
   * Asks, one node after the other, until the state machine has decided; for a minute at most. What may have happened
   * is asked for again as it was, under the same key if it has one. What has not is asked for anew.
   *
   * @param input of each new request, by number: a principal that was refused definitely must never be seen to hold
   */
  async settle(
    operation: OperationName,
    input: Fields | ((request: number) => Fields),
    options: { readonly keyed?: boolean; readonly first?: SendOptions } = {},
  ): Promise<OperationRecord> {
    const deadlineUs = this.nowUs() + SETTLE_MS * 1_000;
    let request = 0;
    let fields: Fields = {};
    let key: string | undefined;
    let unsure = false;
    for (let attempt = 0; ; attempt++) {
      if (!unsure) {
        fields = typeof input === "function" ? input(request++) : input;
        key = options.keyed === true ? this.fresh() : undefined;
      }
      const record = await this.send(operation, fields, { ...(attempt === 0 ? options.first : {}), key });
      if (isDecided(record) || record.code === "bad_request" || record.to_us > deadlineUs) return record;
      unsure ||= record.outcome === "unknown";
      await this.think(BACK_OFF_MS * Math.min(attempt + 1, 10));
    }
  }
}

function address(operation: OperationName, input: Fields): [method: string, path: string, body: Fields | undefined] {
  const [method, pattern] = doors[operation];
  const rest = { ...input };
  const path = pattern.replaceAll(/:(\w+)/g, (_, field: string) => {
    const value = String(rest[field]);
    delete rest[field];
    return segment(value);
  });
  // A list has no place in a query.
  if (operation === "locks.acquireAll") return [method, path, rest];
  return [method, `${path}${query(rest)}`, undefined];
}

/** What became of a connection: ECONNREFUSED, ECONNRESET …, TimeoutError when the client went away. */
function connectionCode(error: unknown): string {
  if (!(error instanceof Error)) return "unknown";
  const code: unknown = "code" in error ? error.code : undefined;
  return typeof code === "string" ? code : error.name;
}
