import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync, rmdirSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const MIB = 1024 * 1024;

/** A file system of a fixed size in memory, which a test fills up and empties again. Needs the right to mount. */
export class SmallDisk implements Disposable {
  private readonly ballast: string;

  /** @param path where it is mounted; made if it is not there */
  constructor(
    readonly path: string,
    sizeMib: number,
  ) {
    mkdirSync(path, { recursive: true });
    const failure = mount(path, sizeMib);
    if (failure !== undefined) throw new Error(`no small disk at ${path}: ${failure}`);
    // Hidden, so that a data directory beside it is not taken for somebody's home.
    this.ballast = join(path, ".ballast");
  }

  static readonly available: boolean = canMount();

  /** Leaves so much room and no more. */
  fill(leftMib = 0): void {
    const { bavail, bsize } = statfsSync(this.path);
    const bytes = bavail * bsize - leftMib * MIB;
    if (bytes > 0) writeFileSync(this.ballast, Buffer.alloc(bytes, 1));
  }

  /** Gives it another size, with so much room beside what is on it. */
  leave(freeMib: number): void {
    const { blocks, bfree, bsize } = statfsSync(this.path);
    const sizeMib = Math.ceil(((blocks - bfree) * bsize) / MIB) + freeMib;
    spawnSync("mount", ["-o", `remount,size=${sizeMib}m`, this.path]);
  }

  clear(): void {
    rmSync(this.ballast, { force: true });
  }

  [Symbol.dispose](): void {
    // Lazily: a process may be just about to end.
    spawnSync("umount", ["-l", this.path]);
  }
}

function mount(path: string, sizeMib: number): string | undefined {
  const { status, stderr, error } = spawnSync("mount", ["-t", "tmpfs", "-o", `size=${sizeMib}m`, "tmpfs", path]);
  return status === 0 ? undefined : (error?.message ?? String(stderr));
}

function canMount(): boolean {
  if (process.getuid?.() !== 0) return false;
  const path = mkdtempSync(join(tmpdir(), "mufakat-mount-"));
  const mounted = mount(path, 1) === undefined;
  if (mounted) spawnSync("umount", [path]);
  if (existsSync(path)) rmdirSync(path);
  return mounted;
}
