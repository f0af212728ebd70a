import { eventually } from "../../support/eventually.ts";
import { call } from "../../support/node-client.ts";
import { shuffled } from "../faults.ts";
import type { RecoveryRecord } from "../history.ts";
import { secondsOf, type Strike, type Striker } from "./strike.ts";

/** A node that was asked to stop has so long: its hand-over, its last replies, its log. */
const STOP_MS = 20_000;
/** A node that was started is waited for so long, before the next one is stopped. */
const READY_MS = 5_000;

export const kill: Strike = async (striker, fault, prng) => {
  const { cluster } = striker.tools;
  const node = striker.target(prng);
  const detail = striker.announce("kill", `${node} for ${secondsOf(fault)} s`);
  await cluster.kill(node);
  await striker.wait(fault.lastsMs);
  cluster.startNode(node);
  return { nodes: [node], detail };
};

export const pause: Strike = async (striker, fault, prng) => {
  const { cluster } = striker.tools;
  const node = striker.target(prng);
  const detail = striker.announce("pause", `${node} for ${secondsOf(fault)} s`);
  cluster.signal(node, "SIGSTOP");
  await striker.wait(fault.lastsMs);
  cluster.signal(node, "SIGCONT");
  return { nodes: [node], detail };
};

export const restartAll: Strike = async (striker, { lastsMs }) => {
  const { cluster, members } = striker.tools;
  const nodes = members.ids;
  const detail = striker.announce("restart-all", `all killed for ${(lastsMs / 4_000).toFixed(1)} s`);
  await Promise.all(nodes.map((id) => cluster.kill(id)));
  await striker.wait(lastsMs / 4);
  for (const id of nodes) cluster.startNode(id);
  return { nodes, detail };
};

export const rolling: Strike = async (striker, _fault, prng) => {
  const nodes = shuffled(striker.tools.members.ids, prng);
  const detail = striker.announce("rolling", nodes.join(", "));
  for (const node of nodes) await restart(striker, node);
  return { nodes, detail, without: [], in_turn: true };
};

export const transfer: Strike = async (striker, _fault, prng) => {
  const { cluster, members } = striker.tools;
  const node = prng.pick(members.ids);
  const detail = striker.announce("transfer", `to ${node}`);
  // Any answer will do, and none: the node asked may be down.
  const url = `${cluster.url(prng.pick(members.ids))}/cluster/transfer?to=${node}`;
  await call("POST", url, { timeoutMs: 2_000 }).catch(() => undefined);
  return { nodes: [node], detail, without: [] };
};

/** Stops a node as an operator does, and waits until it is back, if it can be. */
async function restart({ tools: { cluster, history } }: Striker, node: string): Promise<void> {
  const from_us = history.nowUs();
  // A process that has just been started dies of what it cannot hear yet.
  const answers = eventually(() => cluster.root(node), { deadlineMs: STOP_MS, what: `${node} answers` });
  const code = await answers.then(
    () => Promise.race([cluster.stop(node), Bun.sleep(STOP_MS).then(() => "late" as const)]),
    () => "silent" as const,
  );
  if (code !== 0) {
    const what = `${node}, asked to stop, ends with code 0 (${String(code)})`;
    history.add<RecoveryRecord>({ type: "recovery", what, done: false, from_us, to_us: history.nowUs() });
    await cluster.kill(node);
  }
  cluster.startNode(node);
  // It need not be: the network has faults of its own at the same time.
  await cluster.ready(node, READY_MS).catch(() => undefined);
}
