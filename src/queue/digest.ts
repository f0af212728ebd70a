import { crc32c } from "../kernel/crc32c.ts";
import { writeSnapshot } from "./snapshot/content.ts";
import type { QueueState } from "./state.ts";

/** Of the bytes of the state's snapshot: all that later entries can depend on, and nothing that they cannot. */
export function digestOf(state: QueueState): string {
  let crc = 0;
  let bytes = 0;
  for (const piece of writeSnapshot(state)) {
    crc = crc32c(piece, 0, piece.length, crc);
    bytes += piece.length;
  }
  return `${bytes.toString(16)}-${(crc >>> 0).toString(16).padStart(8, "0")}`;
}
