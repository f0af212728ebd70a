import { z } from "zod";
import { FencingToken, Name } from "./names.ts";
import { operation } from "./operation.ts";

export const checkFence = operation({
  name: "fences.check",
  summary: "Accept a token for a resource if no larger one was seen there (PROTOCOLS L3).",
  input: z.strictObject({ resource: Name, token: FencingToken }),
  output: z.strictObject({ accepted: z.literal(true), highest: z.int() }),
  errors: ["stale_token", "no_leader", "group_stopped", "disk_full", "outcome_unknown"],
});
