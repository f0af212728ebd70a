import { accessSync, constants, existsSync, mkdirSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { StartError } from "../kernel/start-error.ts";
import type { Configuration, ReplicaId } from "../raft/types.ts";
import {
  checkVersion,
  claimIdentity,
  type DirectoryIdentity,
  type FreshIdentity,
  IDENTITY_FILE,
  rewriteIdentity,
  type WantedIdentity,
} from "./directory-identity.ts";
import { lockDirectory } from "./directory-lock.ts";
import { UNFINISHED, errorCode, syncDirectory } from "./durable-file.ts";
import { MARK_FILE, SUSPECTS_FILE } from "./apply-journal-file.ts";
import { PEERS_FILE, PeerIncarnations } from "./peer-incarnations.ts";

export interface DataDirectoryOptions extends WantedIdentity {
  /** A random integer in 1…2⁵³−1 from a cryptographic source. */
  readonly identity: () => number;
  /** What a directory that is new belongs to. */
  readonly fresh: () => FreshIdentity;
}

/** What one node keeps on disk, open for this process alone. */
export interface DataDirectory {
  /** As the directory says it, or as {@link settle} has changed it. */
  readonly identity: DirectoryIdentity;
  /** Absolute. */
  readonly path: string;
  /** Of the write-ahead log. It exists. */
  readonly logDirectory: string;
  /** Of the second copy of terms and votes. It exists. */
  readonly votesDirectory: string;
  /** Of snapshots. It exists. */
  readonly snapshotDirectory: string;
  /** Another node has met this one. */
  readonly hasMet: boolean;
  /** No other node may have what this one acknowledges. */
  readonly isAlone: boolean;
  /** This node's place in its cluster, durable on return. */
  settle(replica: ReplicaId, membership: Configuration): void;
  knownIncarnation(replica: ReplicaId): number | undefined;
  /** Durable on return. */
  rememberIncarnation(replica: ReplicaId, incarnation: number): void;
  /** Durable on return. */
  rememberAlone(alone: boolean): void;
  /** Lets another process have the directory. */
  close(): void;
}

export const LOG = "wal";
export const SNAPSHOTS = "snapshots";
export const VOTES = "votes";
/** What tells a directory that holds a node's state from one whose making was cut short. */
const STATE = [IDENTITY_FILE, PEERS_FILE, LOG, SNAPSHOTS, VOTES];
const OURS = new Set(["VERSION", "lock", "lock-journal", "pid", MARK_FILE, SUSPECTS_FILE, ...STATE]);

/**
 * Opens the data directory or makes it.
 *
 * @throws {StartError} one sentence: not a directory, no permission, in use, of another cluster or node, of a newer format
 */
export function openDataDirectory(dataDirectory: string, options: DataDirectoryOptions): DataDirectory {
  const path = resolve(dataDirectory);
  try {
    makeDirectory(path);
    refuseForeign(path);
    return openLocked(path, options);
  } catch (error) {
    throw refuseDirectory(path, error);
  }
}

function openLocked(path: string, options: DataDirectoryOptions): DataDirectory {
  const lock = lockDirectory(path);
  try {
    // A rename that was done just before a crash may not be durable yet, and is acted upon from now on.
    syncDirectory(path);
    const names = readdirSync(path);
    checkVersion(path, !STATE.some((name) => names.includes(name)));
    const isNew = !names.includes(LOG) && !names.includes(PEERS_FILE);
    const fresh = (): DirectoryIdentity => ({ ...options.fresh(), incarnation: options.identity() });
    let identity = claimIdentity(path, options, isNew ? fresh : undefined);
    const { nodes } = (identity.membership ?? options.fresh().membership)?.facts ?? {};
    const peers = new PeerIncarnations(join(path, PEERS_FILE), nodes);
    const logDirectory = join(path, LOG);
    makeDirectory(logDirectory);
    const snapshotDirectory = join(path, SNAPSHOTS);
    makeDirectory(snapshotDirectory);
    const votesDirectory = join(path, VOTES);
    makeDirectory(votesDirectory);
    return {
      path,
      logDirectory,
      votesDirectory,
      snapshotDirectory,
      get hasMet() {
        return peers.hasMet;
      },
      get isAlone() {
        return peers.isAlone;
      },
      get identity() {
        return identity;
      },
      settle: (replica, membership) => {
        const settled = { ...identity, replica, membership };
        rewriteIdentity(path, settled);
        identity = settled;
      },
      knownIncarnation: (replica) => peers.known(replica),
      rememberIncarnation: (replica, found) => peers.remember(replica, found),
      rememberAlone: (alone) => peers.rememberAlone(alone),
      close: () => lock.release(),
    };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/** Whether the directory has belonged to a node before. */
export function hasIdentity(dataDirectory: string): boolean {
  return existsSync(join(resolve(dataDirectory), IDENTITY_FILE));
}

/** With its parents, all durable under their names. */
export function makeDirectory(path: string): void {
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let at = path; ; at = dirname(at)) {
    syncDirectory(dirname(at));
    if (at === resolve(first) || at === dirname(at)) return;
  }
}

/** Stands where `VERSION` will, in a directory that `restore` or `recover` makes: no node starts with half of it. */
export const UNFINISHED_MARK = "unfinished";

export function cutShort(path: string): string {
  return `The data directory ${path} is unfinished, because "mufakat restore" or "mufakat recover" was cut short there: run that again.`;
}

/** Someone's home, mistaken for a data directory, gets no files of ours. Hidden files and a volume's `lost+found` may stay. */
function refuseForeign(path: string): void {
  const names = readdirSync(path);
  if (names.includes("VERSION")) return;
  const finished = (name: string): string => (name.endsWith(UNFINISHED) ? name.slice(0, -UNFINISHED.length) : name);
  if (names.some((name) => finished(name) === UNFINISHED_MARK)) throw new StartError(cutShort(path));
  const foreign = names.find((name) => !OURS.has(finished(name)) && !name.startsWith(".") && name !== "lost+found");
  if (foreign === undefined) return;
  throw new StartError(
    `The directory ${path} is not a data directory and not empty (it has ${foreign}): choose another --data.`,
  );
}

/** @returns one sentence for an error of the operating system's below `path`; any other error as it is */
export function refuseDirectory(path: string, error: unknown): unknown {
  if (error instanceof StartError) return error;
  const code = errorCode(error);
  switch (code) {
    case undefined:
      return error;
    case "EEXIST":
    case "ENOTDIR":
      return new StartError(`The data directory ${path} is not a directory: choose another --data.`);
    case "EACCES":
    case "EPERM":
    case "EROFS":
    case "SQLITE_CANTOPEN":
    case "SQLITE_READONLY":
    case "SQLITE_PERM":
      return new StartError(
        code === "EROFS" || isReadOnly(path)
          ? `The data directory ${path} is on a file system that is read-only: mount it writable or choose another --data.`
          : `The data directory ${path} may not be written by this user: change its owner or choose another --data.`,
      );
    case "ENOSPC":
    case "EDQUOT":
    case "SQLITE_FULL":
      return new StartError(`The disk of the data directory ${path} is full: make room or choose another --data.`);
    default:
      return new StartError(`The data directory ${path} cannot be used (${code}): choose another --data.`);
  }
}

/** SQLite's codes do not tell a file system that is read-only from a file that is somebody else's. */
function isReadOnly(path: string): boolean {
  try {
    accessSync(path, constants.W_OK);
    return false;
  } catch (error) {
    return errorCode(error) === "EROFS";
  }
}
