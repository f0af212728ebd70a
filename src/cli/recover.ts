import { buildCommand } from "@stricli/core";
import { recoverSurvivor, surveySurvivor, type Survey } from "../server/succession/recover-survivor.ts";
import { CliError } from "./cli-error.ts";
import type { CliContext } from "./context.ts";
import { exitCode } from "./exit-code.ts";
import { jsonFlag, jsonText } from "./json-flag.ts";
import { countsText, type DataFlags, dataFlags, foundedJson, foundedText, nodeAndData } from "./new-cluster.ts";
import { progressBar } from "./progress.ts";

interface RecoverFlags extends DataFlags {
  readonly fromSurvivor: boolean;
  readonly acceptLoss: boolean;
  readonly json: boolean;
}

const LOSS =
  "Operations that the lost nodes acknowledged and that had not reached this node are lost; nobody can say which.\n" +
  "Of several nodes that survived, the one with the largest term has lost least, and of equal terms the one with the largest index.\n" +
  "If a majority can still be brought back, do that instead: it loses nothing.\n";

export const recoverCommand = buildCommand<RecoverFlags, [], CliContext>({
  docs: {
    brief: "Go on with one node when the majority is gone for ever",
    fullDescription:
      "Makes a new cluster of what one node has that survived: its snapshot and all of its log. The node must be stopped. Its\n" +
      "data directory is renamed, not changed, and a new one takes its place.\n\n" +
      `${LOSS}\n` +
      "Without --accept-loss it says what the node has, and changes nothing.\n\n" +
      "Exit codes: 0 recovered, 1 --accept-loss is missing, 78 --data is in use, damaged or no node's.",
  },
  parameters: {
    flags: {
      fromSurvivor: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "The majority is gone for ever, and this node has survived",
      },
      ...dataFlags,
      acceptLoss: {
        kind: "boolean",
        default: false,
        withNegated: false,
        brief: "Do it, although operations that were acknowledged may be lost",
      },
      json: jsonFlag(),
    },
  },
  async func({ fromSurvivor, acceptLoss, json, ...flags }) {
    if (!fromSurvivor) {
      throw new CliError(
        "usage",
        "--from-survivor is missing: there is nothing else that a cluster is recovered from.",
      );
    }
    const { dataDirectory } = nodeAndData(flags, this.environment);
    const { stdout, stderr } = this.process;
    const bar = progressBar(stderr, "entries");
    try {
      if (!acceptLoss) {
        const survey = surveySurvivor(dataDirectory, bar.update);
        bar.end();
        stdout.write(json ? jsonText({ recovered: false, ...surveyJson(survey) }) : surveyText(survey));
        this.process.exitCode = exitCode.failure;
        return;
      }
      const recovered = await recoverSurvivor(dataDirectory, bar.update);
      bar.end();
      const { keptAt, point, counts } = recovered;
      const { index, term } = point;
      const text =
        `recovered ${countsText(counts)}, as of entry ${index} of term ${term}\n` +
        (keptAt === undefined ? "old data  see beside it: this recovery was begun earlier\n" : `old data  ${keptAt}\n`);
      const asJson = { recovered: true, ...foundedJson(recovered), old_data: keptAt ?? null };
      stdout.write(json ? jsonText(asJson) : text + foundedText(recovered) + LOSS);
    } finally {
      bar.end();
    }
  },
});

function surveyText({ path, nodeId, clusterName, last, missing, counts, shards }: Survey): string {
  const lacks =
    missing === undefined
      ? ""
      : `lacks     entries that it had acknowledged${untilText(missing.index)}: its log was damaged, and is not repaired\n`;
  return (
    `survivor  ${nodeId} of cluster ${clusterName}, in ${path}\n` +
    `has       ${countsText(counts)}, as of entry ${last.index} of term ${last.term}\n${lacks}${shards.map(shardText).join("")}\n` +
    `${LOSS}\n` +
    "Nothing was changed. With --accept-loss this node becomes a new cluster.\n"
  );
}

function shardText({ group, last, missing, isMember }: Survey["shards"][number]): string {
  const lacks = missing === undefined ? "" : `; it lacks entries that it had acknowledged${untilText(missing.index)}`;
  const where = isMember ? "" : "; others had it, and this node has only what it once had";
  return `group ${group}   as of entry ${last.index} of term ${last.term}${lacks}${where}\n`;
}

/** Where nobody knows how far it had come, its index is behind any entry. */
function untilText(index: number): string {
  return index === Number.MAX_SAFE_INTEGER ? "" : `, up to entry ${index}`;
}

function surveyJson({ path, nodeId, clusterName, clusterId, last, missing, counts, shards }: Survey): object {
  return {
    cluster: clusterName,
    cluster_id: clusterId,
    node_id: nodeId,
    data: path,
    last_index: last.index,
    last_term: last.term,
    is_damaged: missing !== undefined,
    ...counts,
    ...(shards.length > 0 && { shards: shards.map(shardJson) }),
  };
}

function shardJson({ group, last, missing, isMember }: Survey["shards"][number]): object {
  const { index: last_index, term: last_term } = last;
  return { group, last_index, last_term, is_damaged: missing !== undefined, is_member: isMember };
}
