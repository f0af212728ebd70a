import { request as send } from "node:http";

/** What a node answered: `body` is undefined when it is not JSON. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
  /** The same as it came: a message's own JSON is not what a parser makes of it. */
  readonly text?: string;
}

/** A reply longer than this is none of ours. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

export interface HttpOptions {
  readonly timeoutMs: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | undefined;
  /** Its abort cuts the connection, so that the node notices that nobody waits any more. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * One request on a connection of its own. Through `node:http`, because Bun's `fetch` sends even a
 * request to loopback to the proxy of `HTTP_PROXY`.
 *
 * @throws {Error} with the system's code where nobody answers within `timeoutMs`
 */
export function httpRequest(
  method: "GET" | "POST" | "PUT" | "DELETE",
  url: string,
  { timeoutMs, headers = {}, body, signal }: HttpOptions,
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  if (signal?.aborted === true) return Promise.reject(new Error("aborted"));
  const length = body === undefined ? {} : { "content-type": "application/json", "content-length": body.length };
  const options = { method, agent: false, headers: { accept: "application/json", ...length, ...headers } };
  const request = send(url, options, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > MAX_REPLY_BYTES) request.destroy(new Error("the reply is too long"));
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parseJson(text), text }));
    response.on("error", reject);
  });
  // Rejected here, too: a connection that is cut before it stands may tell nobody.
  const cut = (error: Error): void => {
    reject(error);
    request.destroy(error);
  };
  const timer = setTimeout(() => cut(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  const aborted = (): void => cut(new Error("aborted"));
  signal?.addEventListener("abort", aborted, { once: true });
  request.on("error", reject);
  request.end(body);
  return promise.finally(() => {
    clearTimeout(timer);
    signal?.removeEventListener("abort", aborted);
  });
}

/** One GET: see {@link httpRequest}. */
export function httpGet(url: string, timeoutMs: number): Promise<HttpAnswer> {
  return httpRequest("GET", url, { timeoutMs });
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
