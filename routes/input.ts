import { ApiError } from "../src/api/errors.ts";
import { limits } from "../src/kernel/limits.ts";

/** Fields as they came: strings of the path and the query, values of a JSON body. */
export type RawInput = Record<string, unknown>;

/**
 * The path as the client wrote it. Hono's own decodes it, and then its parameters a second time, and keeps what it
 * cannot decode: `%FF` and `%25FF` would be one name.
 */
export function rawPath(request: Request): string {
  const { url } = request;
  const start = url.indexOf("/", url.indexOf(":") + 3);
  const query = url.indexOf("?", start);
  return query === -1 ? url.slice(start) : url.slice(start, query);
}

/** Adds the last segment of the path as `field`. */
export function readSegment(input: RawInput, field: string, path: string): void {
  const segment = path.slice(path.lastIndexOf("/") + 1);
  const value = percentDecode(segment);
  if (value === undefined) throw badField(field, "must be percent-encoded UTF-8");
  input[field] = value;
}

/** Adds the fields of the query. */
export function readQuery(input: RawInput, url: string): void {
  let at = url.indexOf("?") + 1;
  if (at === 0) return;
  while (at <= url.length) {
    const end = url.indexOf("&", at) === -1 ? url.length : url.indexOf("&", at);
    if (end > at) {
      const equals = url.indexOf("=", at);
      const split = equals === -1 || equals > end ? end : equals;
      const name = formDecode(url.slice(at, split));
      if (name === undefined) throw new ApiError("bad_request", { message: "The query is not percent-encoded UTF-8." });
      const value = formDecode(url.slice(split + 1, end));
      if (value === undefined) throw badField(name, "must be percent-encoded UTF-8");
      add(input, name, value);
    }
    at = end + 1;
  }
}

/** Adds the fields of a JSON body, if there is one. The content type does not matter: `curl -d` names a wrong one. */
export async function readBody(input: RawInput, request: Request): Promise<void> {
  const bytes = await bodyBytes(request);
  if (bytes.length === 0) return;
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(bytes));
  } catch {
    throw new ApiError("bad_request", { message: "The body is not JSON." });
  }
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    throw new ApiError("bad_request", { message: "The body is not a JSON object." });
  }
  for (const [name, value] of Object.entries(body)) add(input, name, value);
}

/** Whether {@link readBody} has anything to do: asked first, since most requests have none and need no wait for it. */
export function hasBody(request: Request): boolean {
  const length = request.headers.get("content-length");
  return length === null ? request.body !== null : length !== "0";
}

const utf8 = new TextDecoder("utf-8", { fatal: true });

async function bodyBytes(request: Request): Promise<Uint8Array> {
  const length = request.headers.get("content-length");
  if (Number(length) > limits.maxBodyBytes) throw tooLarge();
  if (length !== null) return new Uint8Array(await request.arrayBuffer());
  // Chunked: its length is known only when it is there, so it is counted as it comes.
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader = request.body?.getReader();
  if (reader === undefined) return new Uint8Array(0);
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    size += part.value.length;
    if (size > limits.maxBodyBytes) {
      await reader.cancel();
      throw tooLarge();
    }
    chunks.push(part.value);
  }
  const bytes = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

function tooLarge(): ApiError {
  return new ApiError("too_large", { details: { max_bytes: limits.maxBodyBytes } });
}

function add(input: RawInput, name: string, value: unknown): void {
  // Assigned, it would change the object's prototype and be seen by no schema.
  if (name === "__proto__") throw badField(name, "unknown field");
  if (Object.hasOwn(input, name)) throw badField(name, "is given more than once");
  input[name] = value;
}

/** A refusal of one field, in the words of {@link refuseInvalid}. */
function badField(field: string, message: string): ApiError {
  const name = field.slice(0, 64);
  return new ApiError("bad_request", {
    message: `${name}: ${message}`,
    details: { fields: [{ field: name, message }] },
  });
}

function percentDecode(text: string): string | undefined {
  if (!text.includes("%")) return text;
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** `+` is a space in a query, as forms write it. */
function formDecode(text: string): string | undefined {
  return percentDecode(text.includes("+") ? text.replaceAll("+", " ") : text);
}
