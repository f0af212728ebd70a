import { StartError } from "../kernel/start-error.ts";
import { formatHostPort, isWildcard, parseHostPort, parsePort } from "./configuration/host-port.ts";
import type { Environment } from "./context.ts";

/**
 * The node that a client command talks to: `--url`, then MUFAKAT_URL, then what MUFAKAT_LISTEN or PORT make a node on
 * this machine listen on (so that a container's health check needs no flag), then 127.0.0.1:8001.
 *
 * @returns an origin without a slash at its end
 * @throws {StartError}
 */
export function nodeUrl(flag: string | undefined, environment: Environment): string {
  if (flag !== undefined) return parseUrl(flag, "--url");
  const variable = environment["MUFAKAT_URL"] ?? "";
  if (variable !== "") return parseUrl(variable, "MUFAKAT_URL");
  const listen = environment["MUFAKAT_LISTEN"] ?? "";
  if (listen !== "") {
    const address = parseHostPort(listen, "MUFAKAT_LISTEN");
    return `http://${formatHostPort(isWildcard(address.host) ? { host: "127.0.0.1", port: address.port } : address)}`;
  }
  const port = environment["PORT"] ?? "";
  return `http://127.0.0.1:${port === "" ? 8001 : parsePort(port, "PORT")}`;
}

function parseUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && url.host !== "") return url.origin;
  throw new StartError(`${source} must be the address of a node, such as http://127.0.0.1:8001, not "${text}".`);
}
