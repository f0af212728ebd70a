import type { HostPort } from "../../kernel/addresses.ts";
import { parseHostPort, parsePort } from "./host-port.ts";
import type { Setting } from "./settings.ts";

/**
 * Where a node listens for clients. PORT of the older system holds a port alone.
 *
 * @throws {StartError}
 */
export function listenAddress(setting: Setting | undefined): HostPort {
  if (setting === undefined) return { host: "127.0.0.1", port: 8001 };
  if (setting.source === "PORT") return { host: "127.0.0.1", port: parsePort(setting.text, setting.source) };
  return parseHostPort(setting.text, setting.source);
}
