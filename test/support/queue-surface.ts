import type { ErrorBody } from "../../src/api/errors.ts";
import { appOver } from "./app.ts";
import { MemoryQueue } from "./memory-queue.ts";
import { ScriptedControlGroup } from "./scripted-control-group.ts";

/** The HTTP surface over queues in memory. */
export class QueueSurface {
  readonly queues = new MemoryQueue();
  readonly app: ReturnType<typeof appOver>["app"];
  readonly http: ReturnType<typeof appOver>["http"];
  readonly internalErrors: unknown[];

  constructor() {
    const { app, http, internalErrors } = appOver(new ScriptedControlGroup(), undefined, this.queues);
    this.app = app;
    this.http = http;
    this.internalErrors = internalErrors;
  }

  /** @param body as it stands, when it is text or bytes; else as JSON */
  async ask(method: string, path: string, body?: unknown, init: RequestInit = {}) {
    const sent =
      body === undefined
        ? {}
        : { body: typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body) };
    const response = await this.app.request(path, { method, ...(sent as RequestInit), ...init });
    const text = await response.text();
    const parsed: unknown = text === "" ? undefined : JSON.parse(text);
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: parsed as ErrorBody & Record<string, unknown>,
    };
  }

  /** One message, received. */
  async take(queue: string): Promise<{ id: string; attempt: number; ack_token: string; data: unknown }> {
    const { body } = await this.ask("GET", `/queue/${queue}`);
    if (body["status"] !== "consumed") throw new Error(`nothing to take: ${JSON.stringify(body)}`);
    return body as never;
  }
}
