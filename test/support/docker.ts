import { copyFileSync, linkSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { projectRoot } from "./source-files.ts";

const PUBLIC_BASE = "gcr.io/distroless/base-debian12:nonroot";
const STAND_IN_BASE = "mufakat-test/glibc-base";
const RYUK = "testcontainers/ryuk";
const PULL_TIMEOUT_MS = 60_000;

function docker(inputs: readonly string[], timeoutMs = 30_000): { ok: boolean; output: string } {
  try {
    const result = Bun.spawnSync(["docker", ...inputs], { timeout: timeoutMs, stderr: "ignore" });
    return { ok: result.exitCode === 0, output: result.stdout.toString().trim() };
  } catch {
    return { ok: false, output: "" };
  }
}

/** True where a daemon answers. */
export function hasDocker(): boolean {
  return docker(["info", "--format", "{{.ServerVersion}}"]).ok;
}

/**
 * testcontainers' own sweeper is a container, too, and its image cannot be pulled everywhere. Where it is at hand it
 * stays in use. Call before the first container.
 */
export function disableRyukWhereAbsent(): void {
  if (docker(["images", "-q", RYUK]).output === "") process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true";
}

/** The public base image, or its stand-in where that can be neither found nor pulled. */
function baseImage(): string {
  if (docker(["image", "inspect", PUBLIC_BASE]).ok) return PUBLIC_BASE;
  if (docker(["image", "inspect", STAND_IN_BASE]).ok) return STAND_IN_BASE;
  if (docker(["pull", PUBLIC_BASE], PULL_TIMEOUT_MS).ok) return PUBLIC_BASE;
  const script = join(projectRoot, "test/support/glibc-base-image.sh");
  const made = Bun.spawnSync([script, STAND_IN_BASE], { stdio: ["ignore", "inherit", "inherit"] });
  if (made.exitCode !== 0) throw new Error("no base image can be pulled or made");
  return STAND_IN_BASE;
}

/** Builds the image of the executable. Through the command: it needs no BuildKit and shows what went wrong. */
export function buildNodeImage(name: string, executable = join(projectRoot, "dist/mufakat")): void {
  const context = mkdtempSync(join(tmpdir(), "mufakat-image-"));
  try {
    try {
      linkSync(executable, join(context, "mufakat"));
    } catch {
      copyFileSync(executable, join(context, "mufakat"));
    }
    copyFileSync(join(projectRoot, "test/support/Dockerfile"), join(context, "Dockerfile"));
    const command = ["docker", "build", "--quiet", "--build-arg", `BASE=${baseImage()}`, "--tag", name, context];
    const built = Bun.spawnSync(command, { env: { ...process.env, DOCKER_BUILDKIT: "0" } });
    if (built.exitCode !== 0) throw new Error(`docker build failed: ${built.stderr.toString()}`);
  } finally {
    rmSync(context, { recursive: true, force: true });
  }
}

export function removeImage(name: string): void {
  docker(["image", "rm", "--force", name]);
}
