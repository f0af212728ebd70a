import { request as send, type IncomingMessage } from "node:http";
import type { HttpAnswer } from "./http-request.ts";

/** Longer answers to a question that was refused are none of ours. */
const MAX_REFUSAL_CHARACTERS = 65_536;

/**
 * One GET of something long. Through `node:http` for the reason of `httpRequest`.
 *
 * @param take the bytes of a reply with status 200, in their order; what it throws ends the download
 * @returns the answer, without a body when its status is 200; a reply that was cut off may look like its end
 * @throws {Error} where nobody answers, or nothing comes for `silenceMs`
 */
export function httpDownload(
  url: string,
  { silenceMs, take }: { readonly silenceMs: number; readonly take: (bytes: Uint8Array) => void },
): Promise<HttpAnswer> {
  const { promise, resolve, reject } = Promise.withResolvers<HttpAnswer>();
  const request = send(url, { method: "GET", agent: false });
  const cut = (error: unknown): void => {
    reject(error);
    request.destroy();
  };
  const timer = setTimeout(() => cut(new Error(`nothing came for ${silenceMs / 1000} s`)), silenceMs);
  const heard = (bytes: Uint8Array): void => {
    timer.refresh();
    try {
      take(bytes);
    } catch (error) {
      cut(error);
    }
  };
  request.on("response", (response) => {
    const status = response.statusCode ?? 0;
    if (status === 200) response.on("data", heard).on("end", () => resolve({ status, body: undefined }));
    else refusalOf(response, (body) => resolve({ status, body }));
    response.on("error", reject);
  });
  request.on("error", reject);
  request.end();
  return promise.finally(() => clearTimeout(timer));
}

function refusalOf(response: IncomingMessage, done: (body: unknown) => void): void {
  let text = "";
  response.setEncoding("utf8");
  response.on("data", (chunk: string) => {
    if (text.length < MAX_REFUSAL_CHARACTERS) text += chunk;
  });
  response.on("end", () => {
    try {
      done(JSON.parse(text));
    } catch {
      done(undefined);
    }
  });
}
