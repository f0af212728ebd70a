import { get } from "node:http";

/** What a node answered: `body` is undefined when it is not JSON. */
export interface HttpAnswer {
  readonly status: number;
  readonly body: unknown;
}

/** A reply longer than this is none of ours. */
const MAX_REPLY_BYTES = 16 * 1024 * 1024;

/**
 * One GET. Through `node:http`, because Bun's `fetch` sends even a request to loopback to the proxy of `HTTP_PROXY`.
 *
 * @throws {Error} with the system's code where nobody answers within `timeoutMs`
 */
export function httpGet(url: string, timeoutMs: number): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = get(url, { agent: false, headers: { accept: "application/json" } }, (response) => {
    let text = "";
    response.setEncoding("utf8");
    response.on("data", (chunk: string) => {
      text += chunk;
      if (text.length > MAX_REPLY_BYTES) request.destroy(new Error("the reply is too long"));
    });
    response.on("end", () => resolve({ status: response.statusCode ?? 0, body: parseJson(text) }));
    response.on("error", reject);
  });
  const timer = setTimeout(() => request.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
  request.on("error", reject);
  return promise.finally(() => clearTimeout(timer));
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return undefined;
  }
}
