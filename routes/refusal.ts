import type { Context } from "hono";
import type { ApiError } from "../src/api/errors.ts";

/** Seconds after which a client may ask again: an election takes about one. */
const RETRY_AFTER_SECONDS = "1";

/** The reply to what was not a success. */
export function refuse(c: Context, error: ApiError): Response {
  return c.json(error.body(), error.status, headersOf(error));
}

function headersOf(error: ApiError): Record<string, string> {
  switch (error.code) {
    case "method_not_allowed":
      return { Allow: String(error.details?.["allow"]) };
    case "no_leader":
    case "group_stopped":
    case "not_ready":
    case "limit":
    case "disk_full":
    case "store_unavailable":
    case "store_full":
      return { "Cache-Control": "no-store", "Retry-After": RETRY_AFTER_SECONDS };
    // The rest of the body is not read, so nothing can follow on this connection.
    case "too_large":
      return { Connection: "close" };
    default:
      return { "Cache-Control": "no-store" };
  }
}
