import { StartError } from "../../kernel/start-error.ts";
import { type HostPort, formatHostPort, isWildcard } from "../../kernel/addresses.ts";
import { parseHostPort, parsePort } from "./host-port.ts";
import type { Setting } from "./settings.ts";

/** Peers listen this far above clients where nobody says otherwise. */
export const PEER_PORT_OFFSET = 1000;

/**
 * Reads `node1=HOST:PEERPORT,node2=HOST:PEERPORT,…`.
 *
 * @throws {StartError}
 */
export function parsePeers({ text, source }: Setting): Map<string, HostPort> {
  const members = new Map<string, HostPort>();
  for (const item of splitList(text)) {
    const at = item.indexOf("=");
    if (at < 0) {
      throw new StartError(`${source} must list ID=HOST:PEERPORT, such as node1=127.0.0.1:9001, not "${item}".`);
    }
    addMember(members, checkName(item.slice(0, at), source), parseHostPort(item.slice(at + 1), source), source);
  }
  if (members.size === 0) throw new StartError(`${source} lists no node: write it as node1=HOST:PEERPORT,….`);
  return members;
}

/**
 * Reads the older system's list of client URLs. Its nodes go by the names of their hosts where this node's id is one of
 * them, as it was under Compose, else by `node1`, `node2`, … in the order of the list.
 *
 * @throws {StartError}
 */
export function parseClientUrls({ text, source }: Setting, nodeId: string): Map<string, HostPort> {
  const addresses = splitList(text).map((item) => clientAddress(item, source));
  const named = addresses.some((address) => address.host === nodeId);
  const members = new Map<string, HostPort>();
  for (const [index, { host, port }] of addresses.entries()) {
    const id = named ? checkName(host, source) : `node${index + 1}`;
    addMember(members, id, { host, port: peerPortOf(port, source) }, source);
  }
  if (members.size === 0) throw new StartError(`${source} lists no node: write it as http://HOST:PORT,….`);
  return members;
}

/**
 * The default peer port of a node whose clients use `clientPort`; 0 stays 0.
 *
 * @throws {StartError} when there is no such port
 */
export function peerPortOf(clientPort: number, source: string): number {
  if (clientPort === 0) return 0;
  const port = clientPort + PEER_PORT_OFFSET;
  if (port <= 65_535) return port;
  throw new StartError(
    `${source} has client port ${clientPort}, and peers would use ${port}: choose a port up to 64535, or give --peer-listen.`,
  );
}

/** A node's or cluster's name. @throws {StartError} */
export function checkName(name: string, source: string): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name)) return name;
  throw new StartError(
    `${source} must name it with 1 to 64 of the characters a-z, A-Z, 0-9, ".", "_" and "-", beginning with a letter or digit, not "${name}".`,
  );
}

function addMember(members: Map<string, HostPort>, id: string, address: HostPort, source: string): void {
  if (isWildcard(address.host)) {
    throw new StartError(`${source} gives ${id} the address ${address.host}, which nobody can dial: name its host.`);
  }
  if (members.has(id)) throw new StartError(`${source} lists ${id} twice: give every node an id of its own.`);
  for (const [other, taken] of members) {
    if (address.port === 0 || taken.port !== address.port || taken.host !== address.host) continue;
    throw new StartError(
      `${source} gives ${other} and ${id} the same address ${formatHostPort(address)}: give every node a port of its own.`,
    );
  }
  members.set(id, address);
}

function clientAddress(item: string, source: string): HostPort {
  const bare = item.replace(/^https?:\/\//, "").replace(/\/$/, "");
  if (/:\d+$/.test(bare)) return parseHostPort(bare, source);
  return { host: parseHostPort(`${bare}:0`, source).host, port: parsePort("80", source) };
}

function splitList(text: string): string[] {
  return text
    .split(",")
    .map((item) => item.trim())
    .filter((item) => item !== "");
}
