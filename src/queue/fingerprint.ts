import { crc32c } from "../kernel/crc32c.ts";
import { Hash } from "../kernel/hash.ts";
import type { QueueCommand } from "./commands.ts";
import type { NewMessage } from "./types.ts";

/** Commands that a client's key can cover. A receive is none: what it took is named by its receipts alone. */
export function canHaveKey({ type }: QueueCommand): boolean {
  switch (type) {
    case "publish":
    case "settle":
    case "configure":
    case "pause":
    case "purge":
    case "redrive":
    case "setSchedule":
    case "removeSchedule":
      return true;
    case "registerIngress":
    case "receive":
    case "giveBack":
    case "cancel":
    case "fireSchedule":
      return false;
  }
}

/** Equal for two requests that mean the same: without the time at which a node took them in. */
export function fingerprint(command: QueueCommand): number {
  const hash = new Hash().text(command.type);
  switch (command.type) {
    case "publish":
      hash.text(command.queue);
      for (const message of command.messages) addMessage(hash, message);
      return hash.finish();
    case "setSchedule": {
      const { id, cron, zone, missed, message } = command.schedule;
      hash.text(command.queue).text(id).text(cron).text(zone).text(missed);
      addMessage(hash, { ...message, dedupeId: undefined });
      return hash.finish();
    }
    default:
      return hash.value(command).finish();
  }
}

function addMessage(hash: Hash, message: NewMessage): void {
  const { body, delayMs, priority, dedupeId, groupKey, expiresMs } = message;
  hash.integer(body.length).integer(crc32c(body, 0, body.length) >>> 0);
  hash.integer(delayMs).integer(priority).integer(expiresMs).value(dedupeId).value(groupKey);
}
