import { closeSync, existsSync, fsyncSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { errorCode, syncDirectory } from "../../io/durable-file.ts";
import { assert } from "../../kernel/assert.ts";
import { StartError } from "../../kernel/start-error.ts";
import type { Snapshot } from "../../raft/types.ts";
import type { BackupHead } from "../../wal/backup-format.ts";
import { BackupReader } from "../../wal/backup-reader.ts";
import { CONTROL_GROUP } from "../group-kinds.ts";
import { httpDownload } from "../http-download.ts";
import type { HttpAnswer } from "../http-request.ts";
import { forEachPiece } from "./file-pieces.ts";
import type { Progress } from "./found-cluster.ts";

export interface SaveOptions {
  /** Of a node, without a slash at its end. */
  readonly url: string;
  readonly file: string;
  /** Another file of that name may be replaced. */
  readonly replaces: boolean;
  /** Absent: five minutes. */
  readonly silenceMs?: number;
}

export interface SavedBackup {
  readonly head: BackupHead;
  /** Of the control group. */
  readonly snapshot: Snapshot;
  /** Of the file. */
  readonly bytes: number;
}

/** No node gave one. */
export class NoBackupError extends Error {
  override name = "NoBackupError";

  /** @param answer undefined: there was none */
  constructor(
    message: string,
    readonly answer?: HttpAnswer,
  ) {
    super(message);
  }
}

const SILENCE_MS = 300_000;

/**
 * Asks a node for a backup, and saves it: under its name only when every byte has been read back from the disk and found
 * right. Until then it is `FILE.partial`.
 *
 * @throws {NoBackupError} {@link StartError} when the file cannot be written
 * @throws {BackupError} when what came is damaged
 */
export async function saveBackup(options: SaveOptions, progress: Progress): Promise<SavedBackup> {
  const { file } = options;
  const partial = `${file}.partial`;
  try {
    requireNew(options);
    // It holds the ids of sessions, which are secrets.
    const descriptor = openSync(partial, "w", 0o600);
    try {
      await download(options, descriptor, progress);
      const saved = check(partial, progress);
      requireNew(options);
      renameSync(partial, file);
      syncDirectory(dirname(file));
      return saved;
    } catch (error) {
      rmSync(partial, { force: true });
      throw error;
    }
  } catch (error) {
    throw refuseFile(file, error);
  }
}

function requireNew({ file, replaces }: SaveOptions): void {
  if (replaces || !existsSync(file)) return;
  throw new StartError(`The file ${file} exists: choose another name, or replace it with --force.`);
}

/** All of it is durable, and the descriptor closed. */
async function download({ url, silenceMs }: SaveOptions, descriptor: number, progress: Progress): Promise<void> {
  try {
    let total = 0;
    let done = 0;
    const reader = new BackupReader({ group: (_group, { totalBytes }) => void (total += totalBytes) });
    const take = (bytes: Uint8Array): void => {
      reader.take(bytes);
      for (let at = 0; at < bytes.length;) at += writeSync(descriptor, bytes, at);
      done += bytes.length;
      progress("saving", done, Math.max(done, total));
    };
    // The node makes a snapshot first.
    progress("waiting", 0, 1);
    const answer = await asked(url, silenceMs ?? SILENCE_MS, take);
    if (answer.status !== 200) throw new NoBackupError(`${url} answered ${answer.status}`, answer);
    if (done === 0) throw new NoBackupError(`${url} answered nothing: it is none of our nodes`);
    reader.finish();
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

async function asked(url: string, silenceMs: number, take: (bytes: Uint8Array) => void): Promise<HttpAnswer> {
  let failure: unknown;
  const guarded = (bytes: Uint8Array): void => {
    try {
      take(bytes);
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  try {
    return await httpDownload(`${url}/cluster/backup`, { silenceMs, take: guarded });
  } catch (error) {
    if (failure !== undefined) throw failure;
    const why = error instanceof Error ? error.message : String(error);
    throw new NoBackupError(`${url} does not answer, or was cut off: ${why}`);
  }
}

/** As it stands in the file. */
function check(file: string, progress: Progress): SavedBackup {
  let head: BackupHead | undefined;
  let snapshot: Snapshot | undefined;
  let bytes = 0;
  const reader = new BackupReader({
    head: (found) => void (head = found),
    group: (group, found) => void (snapshot = group === CONTROL_GROUP ? found : snapshot),
  });
  forEachPiece(file, (piece, done, total) => {
    reader.take(piece);
    bytes = done;
    progress("checking", done, total);
  });
  reader.finish();
  assert(head !== undefined && snapshot !== undefined, "a backup that was read has a head and a group");
  return { head, snapshot, bytes };
}

function refuseFile(file: string, error: unknown): unknown {
  const code = errorCode(error);
  if (code === undefined || code !== code.toUpperCase()) return error;
  const why = code === "ENOSPC" || code === "EDQUOT" ? "the disk is full" : code;
  return new StartError(`The file ${file} cannot be written (${why}): choose another place.`);
}
