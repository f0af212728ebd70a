import { z } from "zod";
import { isWildcard, readHostPort } from "../kernel/addresses.ts";
import { limits } from "../kernel/limits.ts";
import { integer } from "./names.ts";
import { operation } from "./operation.ts";

const NodeId = z.string().regex(new RegExp(`^[A-Za-z0-9][A-Za-z0-9._-]{0,${limits.maxNodeIdBytes - 1}}$`), {
  error: `must be 1 to ${limits.maxNodeIdBytes} of the characters a-z, A-Z, 0-9, ".", "_" and "-", beginning with a letter or digit`,
});

const addressError = "must be HOST:PORT that the other nodes can dial, such as 10.0.0.4:9001";
const Address = z.string({ error: addressError }).transform((text, context) => {
  const address = readHostPort(text);
  const isSound = address !== undefined && address.port > 0 && address.host.length <= limits.maxHostBytes;
  if (isSound && !isWildcard(address.host)) return address;
  context.issues.push({ code: "custom", message: addressError, input: text });
  return z.NEVER;
});

const Replace = z
  .union([z.boolean(), z.enum(["true", "false"])], { error: "must be true or false" })
  .transform((value) => value === true || value === "true");

export const addNode = operation({
  name: "cluster.add",
  summary:
    "Let a node join as a learner, which becomes a voter once it has caught up; or replace one whose data is lost.",
  input: z
    .strictObject({
      node_id: NodeId,
      /** Where the other nodes reach it. */
      peer_address: Address.optional(),
      /** Where clients do. */
      address: Address.optional(),
      /** Of its data directory. Without one, whoever comes first by that id is let in. */
      incarnation: integer(1, Number.MAX_SAFE_INTEGER).optional(),
      /** Of the cluster that it means to join. */
      cluster_id: z.string().optional(),
      /** The replica that the node has now is removed first: nothing that it holds counts any more (PROTOCOLS M1). */
      replace: Replace.default(false),
    })
    .refine(({ peer_address, replace }) => replace || peer_address !== undefined, {
      path: ["peer_address"],
      error: addressError,
    }),
  output: z.strictObject({
    /** `unchanged`: it was a member already. */
    status: z.enum(["added", "replaced", "unchanged"]),
    node_id: z.string(),
    replica: z.int(),
    /** Ids from here on are free. */
    next_replica: z.int(),
    members: z.array(z.strictObject({ node_id: z.string(), replica: z.int(), peer_address: z.string() })).readonly(),
  }),
  errors: [
    ...([
      "node_exists",
      "unknown_node",
      "wrong_cluster",
      "last_voter",
      "limit",
      "quorum_at_risk",
      "feature_level",
    ] as const),
    ...(["change_under_way", "no_leader", "group_stopped", "outcome_unknown", "disk_full"] as const),
  ],
});

export const removeNode = operation({
  name: "cluster.remove",
  summary: "Let a node leave: it counts no more, and stops when it hears of it.",
  input: z.strictObject({ node_id: NodeId }),
  output: z.strictObject({ status: z.literal("removed"), node_id: z.string(), replica: z.int() }),
  errors: [
    ...(["unknown_node", "last_voter", "quorum_at_risk", "feature_level", "change_under_way"] as const),
    ...(["no_leader", "group_stopped", "outcome_unknown", "disk_full"] as const),
  ],
});
