import { buildCommand } from "@stricli/core";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { httpGet } from "../server/http-request.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { nodeUrl } from "./node-url.ts";
import { urlFlag } from "./url-flag.ts";

interface HealthcheckFlags {
  readonly url?: string;
  readonly json: boolean;
}

const TIMEOUT_MS = 2_000;

export const healthcheckCommand = buildCommand<HealthcheckFlags, [], CliContext>({
  docs: {
    brief: "Exit 0 if a node is alive, else 1",
    fullDescription: "Asks GET /healthz once: for a container's health check.\n\nExit codes: 0 alive, 1 not.",
  },
  parameters: { flags: { url: urlFlag, json: jsonFlag() } },
  async func(flags) {
    const url = nodeUrl(flags.url, this.environment);
    const ill = await illness(url);
    const text = ill === undefined ? `${url} is alive\n` : `${url} ${ill}\n`;
    this.process.stdout.write(flags.json ? jsonText({ url, alive: ill === undefined, reason: ill ?? null }) : text);
    this.process.exitCode = ill === undefined ? exitCode.ok : exitCode.failure;
  },
});

/** @returns undefined when there is none */
async function illness(url: string): Promise<string | undefined> {
  try {
    const { status } = await httpGet(`${url}/healthz`, TIMEOUT_MS);
    return status === 200 ? undefined : `is not healthy: it answered ${status}`;
  } catch (error) {
    return `does not answer: ${error instanceof Error ? error.message : String(error)}`;
  }
}
