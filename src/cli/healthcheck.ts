import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { httpGet } from "./http-request.ts";
import { nodeUrl } from "./node-url.ts";
import { textFlag } from "./text-flag.ts";

interface HealthcheckFlags {
  readonly url?: string;
}

const TIMEOUT_MS = 2_000;

export const healthcheckCommand = buildCommand<HealthcheckFlags, [], CliContext>({
  docs: {
    brief: "Exit 0 if a node is alive, else 1",
    fullDescription: "Asks GET /healthz once: for a container's health check. Exit codes: 0 alive, 1 not.",
  },
  parameters: { flags: { url: textFlag("Address of the node (default http://127.0.0.1:8001)", "URL") } },
  async func(flags) {
    const url = nodeUrl(flags.url, this.environment);
    try {
      const { status } = await httpGet(`${url}/healthz`, TIMEOUT_MS);
      this.process.stdout.write(
        status === 200 ? `${url} is alive\n` : `${url} is not healthy: it answered ${status}\n`,
      );
      this.process.exitCode = status === 200 ? exitCode.ok : exitCode.failure;
    } catch (error) {
      this.process.stdout.write(`${url} does not answer: ${error instanceof Error ? error.message : String(error)}\n`);
      this.process.exitCode = exitCode.failure;
    }
  },
});
