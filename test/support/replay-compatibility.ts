import { expect } from "bun:test";
import { eventually } from "./eventually.ts";

/** One block of `docs/compatibility.md`. */
export interface Exchange {
  /** `waits`: answered later. `until`: repeated until it is answered so. */
  readonly mode: "once" | "waits" | "until";
  /** Line of the document, for messages. */
  readonly line: number;
  readonly method: string;
  readonly target: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly status: number;
  readonly replyHeaders: Readonly<Record<string, string>>;
  /** JSON with placeholders; empty: the body is not looked at. */
  readonly reply: string;
}

/** Sends a request to the node under test: `fetch` with the node's URL before the path. */
export type Send = (path: string, init: RequestInit) => Promise<Response>;

const HEADER = /^([A-Za-z-]+): (.*)$/;

/** The exchanges of a document, in order. @throws for a block that is none */
export function readExchanges(markdown: string): Exchange[] {
  const exchanges: Exchange[] = [];
  const lines = markdown.split("\n");
  for (let i = 0; i < lines.length; i++) {
    const fence = /^```http ?(waits|until)?$/.exec(lines[i] ?? "");
    if (fence === null) continue;
    const end = lines.indexOf("```", i);
    exchanges.push(readExchange(lines.slice(i + 1, end), (fence[1] ?? "once") as Exchange["mode"], i + 1));
    i = end;
  }
  return exchanges;
}

function readExchange(block: string[], mode: Exchange["mode"], line: number): Exchange {
  const arrow = block.findIndex((text) => text.startsWith("→"));
  const request = /^([A-Z]+) (\S+)$/.exec(block[0] ?? "");
  const status = Number(block[arrow]?.slice(1));
  if (arrow < 1 || request === null || !Number.isInteger(status)) throw new Error(`line ${line}: not an exchange`);
  const [headers, body] = readMessage(block.slice(1, arrow));
  const [replyHeaders, reply] = readMessage(block.slice(arrow + 1));
  return { mode, line, method: request[1] ?? "", target: request[2] ?? "", headers, body, status, replyHeaders, reply };
}

function readMessage(lines: string[]): [Record<string, string>, string] {
  const headers: Record<string, string> = {};
  const body: string[] = [];
  for (const line of lines) {
    const header = HEADER.exec(line);
    if (header === null) body.push(line);
    else headers[header[1] ?? ""] = header[2] ?? "";
  }
  return [headers, body.join("\n")];
}

/**
 * Replays the exchanges in order and compares each reply; leaves no lock and no session behind.
 *
 * @param send to one node, since a hold without an owner is released through the node that took it in
 */
export async function replay(exchanges: readonly Exchange[], send: Send): Promise<void> {
  const memory = new Map<string, unknown>([["unique", `replay-${crypto.randomUUID()}`]]);
  const waiting: Promise<void>[] = [];
  for (const exchange of exchanges) {
    switch (exchange.mode) {
      case "once":
        await replayOnce(exchange, send, memory);
        break;
      case "waits":
        waiting.push(replayOnce(exchange, send, memory));
        break;
      case "until": {
        const attempt = async () => {
          await replayOnce(exchange, send, memory);
          return true;
        };
        await eventually(attempt, { what: `the reply of line ${exchange.line}` });
        break;
      }
    }
  }
  await Promise.all(waiting);
}

async function replayOnce(exchange: Exchange, send: Send, memory: Map<string, unknown>): Promise<void> {
  const { line, method, status } = exchange;
  const fill = (text: string) => text.replaceAll(/\{(\w+)\}/g, (_all, name: string) => String(recall(memory, name)));
  const headers = Object.fromEntries(Object.entries(exchange.headers).map(([name, value]) => [name, fill(value)]));
  const body = fill(exchange.body);
  const response = await send(fill(exchange.target), { method, headers, ...(body === "" ? {} : { body }) });
  const text = await response.text();
  const where = `line ${line}: ${method} ${exchange.target}`;
  expect([where, response.status, text]).toEqual([where, status, text]);
  for (const [name, value] of Object.entries(exchange.replyHeaders)) {
    expect([where, name, response.headers.get(name)]).toEqual([where, name, value]);
  }
  if (exchange.reply !== "") compare(JSON.parse(text), JSON.parse(fill(exchange.reply)), memory, where);
}

function recall(memory: ReadonlyMap<string, unknown>, name: string): unknown {
  if (!memory.has(name)) throw new Error(`nothing is remembered as ${name}`);
  return memory.get(name);
}

function compare(actual: unknown, pattern: unknown, memory: Map<string, unknown>, where: string): void {
  if (typeof pattern === "string" && pattern.startsWith("<")) return comparePlaceholder(actual, pattern, memory, where);
  if (Array.isArray(pattern)) {
    expect([where, Array.isArray(actual) && actual.length]).toEqual([where, pattern.length]);
    pattern.forEach((item, i) => compare((actual as unknown[])[i], item, memory, `${where} [${i}]`));
    return;
  }
  if (typeof pattern !== "object" || pattern === null) {
    expect([where, actual]).toEqual([where, pattern]);
    return;
  }
  expect([where, typeof actual]).toEqual([where, "object"]);
  const { "…": open, ...fields } = pattern as Record<string, unknown>;
  const present = Object.keys(actual as object).filter((name) => open === undefined || name in fields);
  expect([where, present.sort()]).toEqual([where, Object.keys(fields).sort()]);
  for (const [name, value] of Object.entries(fields)) {
    compare((actual as Record<string, unknown>)[name], value, memory, `${where} .${name}`);
  }
}

function comparePlaceholder(actual: unknown, pattern: string, memory: Map<string, unknown>, where: string): void {
  const [, type = "", name] = /^<([a-z ]+)(?:: (\w+))?>$/.exec(pattern) ?? [];
  switch (type) {
    case "same":
      expect([where, actual]).toEqual([where, recall(memory, name ?? "")]);
      return;
    case "more":
      expect(actual, where).toBeGreaterThan(Number(recall(memory, name ?? "")));
      return;
    default:
      expect([where, typeNames(actual)]).toEqual([where, expect.arrayContaining([type])]);
      if (name !== undefined) memory.set(name, actual);
  }
}

function typeNames(value: unknown): string[] {
  if (value === null) return ["string or null"];
  if (Array.isArray(value)) return ["list"];
  if (Number.isInteger(value)) return ["integer"];
  return typeof value === "string" ? ["string", "string or null"] : [typeof value];
}
