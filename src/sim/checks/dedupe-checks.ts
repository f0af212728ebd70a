import { DEFAULT_SETTINGS } from "../../queue/settings.ts";
import { check } from "../violation.ts";

interface First {
  readonly number: number;
  readonly atMs: number;
}

/** Within the window there is one message under an id, whatever happened meanwhile. Queues whose window nobody sets. */
export class DedupeChecks {
  private readonly firsts = new Map<string, First>();

  /** @param nowMs lease time */
  published(queue: string, id: string, number: number, duplicate: boolean, nowMs: number): void {
    const key = `${queue}\n${id}`;
    const first = this.firsts.get(key);
    if (duplicate) {
      check(first?.number === number, "a duplicate is the message of that id", () => {
        return `${id} of ${queue} is ${number}, and was ${first?.number ?? "never published"}`;
      });
      return;
    }
    check(first === undefined || nowMs >= first.atMs + DEFAULT_SETTINGS.dedupeWindowMs, "dedupe yields one", () => {
      return `${id} of ${queue} is published as ${number}, and is ${first?.number} already`;
    });
    this.firsts.set(key, { number, atMs: nowMs });
  }
}
