import { assert } from "../kernel/assert.ts";
import { StartError } from "../kernel/start-error.ts";
import { formatHostPort, isWildcard } from "../kernel/addresses.ts";
import { listenAddress } from "./configuration/listen-address.ts";
import { loadSettingsHere } from "./configuration/load-settings.ts";
import type { Environment } from "./context.ts";

/** The first of {@link nodeUrls}, for commands that ask one node. */
export function nodeUrl(flag: string | undefined, environment: Environment): string {
  const [first] = nodeUrls(flag, environment);
  assert(first !== undefined, "there is at least one address");
  return first;
}

/**
 * The nodes that a client command talks to: `--url`, then MUFAKAT_URL, then what MUFAKAT_LISTEN, the file of MUFAKAT_CONFIG
 * or PORT make a node on this machine listen on (so that a container's health check needs no flag), then the first node of
 * `up`: 127.0.0.1:8001, or the port that MUFAKAT_PORT or that file gives it.
 *
 * @returns at least one origin, without a slash at its end
 * @throws {StartError}
 */
export function nodeUrls(flag: string | undefined, environment: Environment): string[] {
  if (flag !== undefined) return parseUrls(flag, "--url");
  const variable = environment["MUFAKAT_URL"] ?? "";
  if (variable !== "") return parseUrls(variable, "MUFAKAT_URL");
  const settings = loadSettingsHere(environment);
  const listen = settings.find("listen");
  if (listen === undefined) return [`http://127.0.0.1:${settings.integer("port")}`];
  const { host, port } = listenAddress(listen);
  return [`http://${formatHostPort({ host: isWildcard(host) ? "127.0.0.1" : host, port })}`];
}

/** A comma list. */
function parseUrls(text: string, source: string): string[] {
  const urls = text.split(",").map((item) => parseUrl(item.trim(), source));
  return [...new Set(urls)];
}

/** @throws {StartError} */
export function parseUrl(text: string, source: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url?.protocol === "http:" && url.host !== "") return url.origin;
  throw new StartError(`${source} must be the address of a node, such as http://127.0.0.1:8001, not "${text}".`);
}
