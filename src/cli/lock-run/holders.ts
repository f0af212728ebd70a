import type { HttpAnswer } from "../../server/http-request.ts";
import { errorMessage } from "../cluster-client.ts";
import { shortDuration } from "../short-duration.ts";

interface ShownHolder {
  readonly owner: string;
  readonly lock_type: string;
  readonly held_for_ms?: number;
  readonly expires_in_ms?: number;
}

const SHOWN_HOLDERS = 3;

/** One sentence of a 423: who has the lock, and since when. */
export function describeHolders(name: string, answer: HttpAnswer): string {
  const details = (answer.body as { error?: { details?: { holders?: readonly ShownHolder[] } } } | undefined)?.error;
  const holders = details?.details?.holders ?? [];
  if (holders.length === 0) return `${name}: ${errorMessage(answer)}`;
  const shown = holders.slice(0, SHOWN_HOLDERS).map((holder) => {
    const since = holder.held_for_ms === undefined ? "" : ` for ${shortDuration(holder.held_for_ms)}`;
    return `${holder.owner} (${holder.lock_type}${since})`;
  });
  const more = holders.length > SHOWN_HOLDERS ? ` and ${holders.length - SHOWN_HOLDERS} more` : "";
  return `${name} is held by ${shown.join(", ")}${more}.`;
}
