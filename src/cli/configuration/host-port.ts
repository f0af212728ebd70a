import { type HostPort, readHostPort } from "../../kernel/addresses.ts";
import { StartError } from "../../kernel/start-error.ts";

/**
 * Reads `HOST:PORT`; an IPv6 host stands in brackets.
 *
 * @param source what the person wrote it in, for the error: `--listen`, `MUFAKAT_LISTEN`
 * @throws {StartError}
 */
export function parseHostPort(text: string, source: string): HostPort {
  const address = readHostPort(text);
  if (address !== undefined) return address;
  const port = /:(\d+)$/.exec(text)?.[1];
  // Of an address that is one but for its port.
  if (port !== undefined && readHostPort(`${text.slice(0, -port.length)}1`) !== undefined) parsePort(port, source);
  throw new StartError(`${source} must be HOST:PORT, such as 127.0.0.1:8001 or [::1]:8001, not "${text}".`);
}

/** @throws {StartError} */
export function parsePort(text: string, source: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : -1;
  if (port < 0 || port > 65_535) {
    throw new StartError(`${source} must hold a port from 0 to 65535, not "${text}".`);
  }
  return port;
}
