import { Database } from "bun:sqlite";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { StartError } from "../kernel/start-error.ts";
import { errorCode, readFileIfThere } from "./durable-file.ts";

/** Ends with {@link DirectoryLock.release} or with the process, however that ends. */
export interface DirectoryLock {
  release(): void;
}

/** A database that nobody refers to is closed by the garbage collector, and its lock goes with it. */
const held = new Set<Database>();

/**
 * Takes the directory for this process alone. SQLite's exclusive lock is one of the kernel's (`fcntl`): it
 * goes with the process, so no stale lock file is ever left behind; and SQLite refuses a second lock within the process.
 *
 * @throws {StartError} when another process has it
 */
export function lockDirectory(path: string): DirectoryLock {
  const database = new Database(join(path, "lock"), { create: true });
  try {
    database.run("PRAGMA busy_timeout = 0");
    // Without a journal there is nothing to roll back, and no second file.
    database.run("PRAGMA journal_mode = OFF");
    database.run("BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (errorCode(error)?.startsWith("SQLITE_BUSY") !== true) throw error;
    throw new StartError(
      `The data directory ${path} is in use by another process${holder(path)}: stop it or choose another --data.`,
    );
  }
  writePid(path);
  held.add(database);
  return {
    release: () => {
      held.delete(database);
      database.close();
    },
  };
}

/** It only helps people: a full disk keeps no node from starting that needs no more room. */
function writePid(path: string): void {
  try {
    writeFileSync(join(path, "pid"), `${process.pid}\n`);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOSPC" && code !== "EDQUOT") throw error;
  }
}

/** The file may be older than the lock for a moment, so it is named with care. */
function holder(path: string): string {
  const text = readFileIfThere(join(path, "pid")) ?? "";
  return /^\d+\n$/.test(text) ? ` (pid ${text.trim()})` : "";
}
