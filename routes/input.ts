import { ApiError } from "../src/api/errors.ts";
import { jsonText, JsonText } from "../src/api/json-text.ts";
import { elementSlices, memberSlice } from "../src/kernel/json-slices.ts";
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

const settlement = /^(\/v1)?\/queue\/(ack|nack|extend)(?:\/[^/]*)?$/;

/**
 * The path as the router gets it: `/queue/ack/TOKEN` and `/queue/ack` are `/queue ack` there, which no URL can be. Beside
 * `/queue/:name` the router could not make one expression of all routes any more, and every request to the node, whatever it asks
 * for, would be matched three times as slowly.
 */
export function routedPath(request: Request): string {
  const path = rawPath(request);
  // Of other methods it is a queue by a reserved name, and refused as such.
  const found = request.method === "POST" && path.includes("/queue/") ? settlement.exec(path) : null;
  return found === null ? path : `${found[1] ?? ""}/queue ${found[2]}`;
}

/** The pattern of a route as people know it. */
export function shownPattern(pattern: string): string {
  return pattern.replace(" ", "/");
}

/** Adds a segment of the path as `field`. @param fromEnd which one: 0 is the last */
export function readSegment(input: RawInput, field: string, path: string, fromEnd = 0): void {
  let end = path.length;
  for (let skipped = 0; skipped < fromEnd; skipped++) end = path.lastIndexOf("/", end - 1);
  const segment = path.slice(path.lastIndexOf("/", end - 1) + 1, end);
  const value = percentDecode(segment);
  if (value === undefined) throw badField(field, "must be percent-encoded UTF-8");
  input[field] = value;
}

/** Adds the segment that {@link routedPath} left out, if there is one. */
export function readTail(input: RawInput, field: string, request: Request, routed: string): void {
  const path = rawPath(request);
  if (path.length > routed.length) readSegment(input, field, path);
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

/** Where a body has JSON that is somebody else's: kept as it came, never parsed for good. */
export type KeptJson =
  /** All of it is this field. */
  | { readonly whole: string }
  /** This member of it. */
  | { readonly member: string }
  /** This member of each element of the list that is that member of it. */
  | { readonly list: string; readonly member: string };

/** What is any JSON cannot stand in a query: `?data=1` could be a number or a text. */
export function refuseInQuery(input: RawInput, kept: KeptJson): void {
  const field = "whole" in kept ? kept.whole : kept.member;
  if (Object.hasOwn(input, field)) throw badField(field, "must stand in the body, as JSON");
}

/**
 * Adds the fields of a JSON body, if there is one. The content type does not matter: `curl -d` names a wrong one.
 *
 * @param kept which of it becomes {@link JsonText}
 */
export async function readBody(input: RawInput, request: Request, kept?: KeptJson): Promise<void> {
  const bytes = await bodyBytes(request);
  if (bytes.length === 0) return;
  if (kept !== undefined && "whole" in kept) {
    add(input, kept.whole, jsonText(bytes) ?? refuseBody("The body is not JSON."));
    return;
  }
  const body = parseBody(bytes);
  if (kept !== undefined) keep(body, bytes, kept);
  for (const [name, value] of Object.entries(body)) add(input, name, value);
}

function parseBody(bytes: Uint8Array): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(utf8.decode(bytes));
  } catch {
    return refuseBody("The body is not JSON.");
  }
  return isObject(body) ? body : refuseBody("The body is not a JSON object.");
}

/** Puts the bytes in the place of what was parsed of them. They are views: whoever keeps one longer copies it. */
function keep(body: Record<string, unknown>, bytes: Uint8Array, kept: Exclude<KeptJson, { readonly whole: string }>) {
  if (!("list" in kept)) return keepMember(body, bytes, kept.member);
  const elements = body[kept.list];
  const slice = memberSlice(bytes, kept.list);
  if (!Array.isArray(elements) || slice === undefined) return;
  for (const [index, own] of elementSlices(slice).entries()) {
    const element: unknown = elements[index];
    if (isObject(element)) keepMember(element, own, kept.member);
  }
}

function keepMember(value: Record<string, unknown>, bytes: Uint8Array, member: string): void {
  const slice = memberSlice(bytes, member);
  if (slice !== undefined) value[member] = new JsonText(slice);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function refuseBody(message: string): never {
  throw new ApiError("bad_request", { message });
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
