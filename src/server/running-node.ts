import type { HostPort } from "../kernel/addresses.ts";
import type { NodeConfiguration } from "./configuration.ts";

/** A node that serves requests. */
export interface RunningNode {
  /** Where clients reach it: the real port where 0 was asked for. */
  readonly address: HostPort;
  readonly peerAddress: HostPort;
  /** Refuses new work, drains and lets go of ports and files. Safe to call twice. */
  stop(): Promise<void>;
  /** Resolves, never rejects, when the node cannot go on (disk, a peer's refusal, a broken invariant), with why. */
  readonly failed: Promise<Error>;
}

/** What the parts of a node say to the person who runs it. A subset of pino's logger. */
export interface Logger {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Starts one node: everything but the process around it.
 *
 * @throws {StartError} one sentence that says what to change
 */
export type StartNode = (
  configuration: NodeConfiguration,
  log: Logger,
  /** Its abort ends a start that waits to be let into a cluster: the promise is then rejected with the reason. */
  signal?: AbortSignal,
) => Promise<RunningNode>;
