import { existsSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { StartError } from "../kernel/start-error.ts";
import { LOG, makeDirectory, refuseDirectory, SNAPSHOTS, UNFINISHED_MARK } from "./data-directory.ts";
import {
  decodeIdentity,
  type DirectoryIdentity,
  IDENTITY_FILE,
  rewriteIdentity,
  VERSION_TEXT,
} from "./directory-identity.ts";
import { type DirectoryLock, lockDirectory } from "./directory-lock.ts";
import { readFileIfThere, syncDirectory, UNFINISHED, writeFileDurably } from "./durable-file.ts";

/** What is there of one whose making was cut short before its mark was. */
const BEFORE_MARK = new Set(["lock", "lock-journal", "pid", UNFINISHED_MARK + UNFINISHED]);

/**
 * A data directory that is made from a state instead of by a node's first start. A mark stands in it until all is there, and
 * becomes its `VERSION` in one step: so no node starts with half of a state, and who was cut short begins anew.
 */
export class NewDataDirectory {
  readonly logDirectory: string;
  readonly snapshotDirectory: string;
  private readonly lock: DirectoryLock;

  /**
   * Makes the directory, or takes one that is empty or was left unfinished.
   *
   * @throws {StartError} when anything else is there, or another process is at it
   */
  constructor(private at: string) {
    this.lock = lockFree(at);
    try {
      // Again, now that nobody else can.
      requireFree(at);
      const mark = join(at, UNFINISHED_MARK);
      if (!existsSync(mark)) writeFileDurably(mark, VERSION_TEXT);
      // First: while it is there, all else is.
      rmSync(join(at, IDENTITY_FILE), { force: true });
      syncDirectory(at);
      for (const name of readdirSync(at)) {
        if (isOurs(name)) rmSync(join(at, name), { recursive: true });
      }
      this.logDirectory = join(at, LOG);
      this.snapshotDirectory = join(at, SNAPSHOTS);
      makeDirectory(this.logDirectory);
      makeDirectory(this.snapshotDirectory);
    } catch (error) {
      this.lock.release();
      throw refuseDirectory(at, error);
    }
  }

  get path(): string {
    return this.at;
  }

  /** All is durable but who it belongs to: from now on {@link isSealed}. */
  seal(identity: DirectoryIdentity): void {
    rewriteIdentity(this.at, identity);
  }

  /** To a place where nothing is. */
  moveTo(path: string): void {
    moveDirectory(this.at, path);
    this.at = path;
  }

  /** A node may start with it. */
  finish(): void {
    finishDirectory(this.at);
  }

  /** Lets another process have it. What is not finished stays so. */
  close(): void {
    this.lock.release();
  }
}

function lockFree(path: string): DirectoryLock {
  requireFree(path);
  try {
    makeDirectory(path);
    return lockDirectory(path);
  } catch (error) {
    throw refuseDirectory(path, error);
  }
}

/** Durable on return. */
export function moveDirectory(from: string, to: string): void {
  renameSync(from, to);
  syncDirectory(dirname(to));
}

/** The mark becomes the version. */
export function finishDirectory(path: string): void {
  renameSync(join(path, UNFINISHED_MARK), join(path, "VERSION"));
  syncDirectory(path);
}

/** It is unfinished, and nothing but the end is missing. */
export function isSealed(path: string): boolean {
  return existsSync(join(path, UNFINISHED_MARK)) && existsSync(join(path, IDENTITY_FILE));
}

/** @throws {StartError} when something is there that must not be lost */
export function requireFree(path: string): void {
  if (!existsSync(path)) return;
  let names: string[];
  try {
    names = readdirSync(path);
  } catch (error) {
    throw refuseDirectory(path, error);
  }
  if (!names.includes("VERSION") && names.includes(UNFINISHED_MARK)) return;
  const found = names.find((name) => !name.startsWith(".") && name !== "lost+found" && !BEFORE_MARK.has(name));
  if (found === undefined) return;
  const owner = names.includes("VERSION") ? ownerOf(path) : `is not empty (it has ${found})`;
  throw new StartError(
    `The directory ${path} ${owner}: nothing there is changed, so choose another --data or move it away.`,
  );
}

function ownerOf(path: string): string {
  const identity = decodeIdentity(readFileIfThere(join(path, IDENTITY_FILE)) ?? "");
  if (identity === undefined) return "holds the data of a node";
  return `holds the data of node "${identity.nodeId}" of cluster "${identity.clusterName}"`;
}

/** Left by whoever was cut short; the mark and the lock stay. */
function isOurs(name: string): boolean {
  const finished = name.endsWith(UNFINISHED) ? name.slice(0, -UNFINISHED.length) : name;
  return (
    finished === LOG || finished === SNAPSHOTS || finished === IDENTITY_FILE || name === UNFINISHED_MARK + UNFINISHED
  );
}
