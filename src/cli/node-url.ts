import { assert } from "../kernel/assert.ts";
import { StartError } from "../kernel/start-error.ts";
import { formatHostPort, isWildcard, parseHostPort, parsePort } from "./configuration/host-port.ts";
import type { Environment } from "./context.ts";

/** The first of {@link nodeUrls}, for commands that ask one node. */
export function nodeUrl(flag: string | undefined, environment: Environment): string {
  const [first] = nodeUrls(flag, environment);
  assert(first !== undefined, "there is at least one address");
  return first;
}

/**
 * The nodes that a client command talks to: `--url`, then MUFAKAT_URL, then what MUFAKAT_LISTEN or PORT make a node on
 * this machine listen on (so that a container's health check needs no flag), then 127.0.0.1:8001.
 *
 * @returns at least one origin, without a slash at its end
 * @throws {StartError}
 */
export function nodeUrls(flag: string | undefined, environment: Environment): string[] {
  if (flag !== undefined) return parseUrls(flag, "--url");
  const variable = environment["MUFAKAT_URL"] ?? "";
  if (variable !== "") return parseUrls(variable, "MUFAKAT_URL");
  const listen = environment["MUFAKAT_LISTEN"] ?? "";
  if (listen !== "") {
    const address = parseHostPort(listen, "MUFAKAT_LISTEN");
    return [`http://${formatHostPort(isWildcard(address.host) ? { host: "127.0.0.1", port: address.port } : address)}`];
  }
  const port = environment["PORT"] ?? "";
  return [`http://127.0.0.1:${port === "" ? 8001 : parsePort(port, "PORT")}`];
}

/** A comma list. */
function parseUrls(text: string, source: string): string[] {
  const urls = text.split(",").map((item) => parseUrl(item.trim(), source));
  return [...new Set(urls)];
}

function parseUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && url.host !== "") return url.origin;
  throw new StartError(`${source} must be the address of a node, such as http://127.0.0.1:8001, not "${text}".`);
}
