import { StartError } from "../../kernel/start-error.ts";
import type { HostPort } from "../../server/configuration.ts";

/**
 * Reads `HOST:PORT`; an IPv6 host stands in brackets.
 *
 * @param source what the person wrote it in, for the error: `--listen`, `MUFAKAT_LISTEN`
 * @throws {StartError}
 */
export function parseHostPort(text: string, source: string): HostPort {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  if (match === null || host === undefined) {
    throw new StartError(`${source} must be HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001, not "${text}".`);
  }
  return { host, port: parsePort(match[3] ?? "", source) };
}

/** @throws {StartError} */
export function parsePort(text: string, source: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535) {
    throw new StartError(`${source} must hold a port from 0 to 65535, not "${text}".`);
  }
  return port;
}

/** `HOST:PORT`, with brackets around an IPv6 host. */
export function formatHostPort(address: HostPort): string {
  return address.host.includes(":") ? `[${address.host}]:${address.port}` : `${address.host}:${address.port}`;
}

/** True for addresses that no other machine can reach. A name other than `localhost` is taken to be reachable. */
export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(host);
}

/** True for the addresses that mean every interface: good to listen on, and nothing to dial. */
export function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || /^[0:]*:[0:]*$/.test(host);
}
