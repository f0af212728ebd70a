import type { Prng } from "../../../src/kernel/prng.ts";
import { eventually } from "../../support/eventually.ts";
import type { RecoveryRecord } from "../history.ts";
import type { Strike, Striker } from "./strike.ts";

/** What an operator keeps the number of nodes within. */
const LEAST_MEMBERS = 3;
/** A node that was removed is told when somebody hears of it again: no fault of the network lasts longer than seconds. */
const TOLD_MS = 30_000;
/** Of the process that was told so: a setting must be changed before it can start again. */
const REFUSED = 78;

/** A node joins. Where all have joined, another leaves before. */
export const grow: Strike = async (striker, _fault, prng) => {
  const { members } = striker.tools;
  const left = members.spare.length === 0 ? [await leave(striker, prng)] : [];
  const { id, detail } = await enter(striker, prng);
  return { nodes: [id], detail, without: [], members: members.ids, may_end: left, renewed: [...left, id] };
};

/** A node leaves: the leader, every other time. Where there are few, another joins before. */
export const shrink: Strike = async (striker, _fault, prng) => {
  const { members } = striker.tools;
  const joined = members.ids.length <= LEAST_MEMBERS ? [(await enter(striker, prng)).id] : [];
  const id = striker.target(prng);
  const detail = striker.announce("shrink", `${id} leaves ${members.ids.length} nodes`);
  await leave(striker, prng, id);
  return { nodes: [id], detail, without: [], members: members.ids, may_end: [id], renewed: [...joined, id] };
};

async function enter(striker: Striker, prng: Prng): Promise<{ readonly id: string; readonly detail: string }> {
  const { members } = striker.tools;
  const [id] = members.spare;
  if (id === undefined) throw new Error("no node is left that could join");
  const detail = striker.announce("grow", `${id} joins ${members.ids.length} nodes`);
  members.join(id, prng);
  await amid(striker, prng, () => demand(striker, `${id} joins and votes`, () => members.joined(id)));
  return { id, detail };
}

async function leave(striker: Striker, prng: Prng, id = striker.target(prng)): Promise<string> {
  const { members } = striker.tools;
  await amid(striker, prng, () => demand(striker, `${id} is removed`, () => members.remove(id, prng)));
  // What a client asks it meanwhile is answered, or refused; afterwards nobody is there.
  await demand(striker, `${id}, removed, is told and stops`, () => ended(striker, id));
  members.forget(id);
  await members.wipe(id);
  return id;
}

/** The data of a node are gone; it is replaced, as an operator does, after it has been started or before. */
export const replace: Strike = async (striker, _fault, prng) => {
  const { members, cluster } = striker.tools;
  const id = striker.target(prng);
  const detail = striker.announce("wipe", `${id}, one of ${members.ids.length}`);
  await cluster.kill(id);
  await replaced(striker, prng, id);
  return { nodes: [id], detail, may_end: [id], renewed: [id] };
};

/** @param id of a node that does not run, and whose data count no more */
export async function replaced(striker: Striker, prng: Prng, id: string): Promise<void> {
  const { members } = striker.tools;
  await members.wipe(id);
  const way = prng.pick(["replace first", "join first", "start as before"]);
  if (way === "start as before") await refusedAsBefore(striker, id);
  if (way === "join first") {
    members.join(id, prng);
    await striker.wait(prng.int(2_000));
  }
  await amid(
    striker,
    prng,
    async () => {
      await demand(striker, `${id}, wiped, is replaced`, () => members.replace(id, prng));
      if (way !== "join first") members.join(id, prng);
      await demand(striker, `${id}, replaced, joins and votes`, () => members.joined(id));
    },
    id,
  );
  await demand(striker, `${id}, replaced, has everything`, () => members.whole(id, TOLD_MS));
}

/** One that made the cluster would make it again: nobody may listen to it. Others go on asking to be let in. */
async function refusedAsBefore(striker: Striker, id: string): Promise<void> {
  const { cluster, members } = striker.tools;
  cluster.startNode(id);
  if (cluster.isFounder(id)) await demand(striker, `${id}, wiped, is told and stops`, () => ended(striker, id));
  await cluster.kill(id);
  await members.wipe(id);
}

/**
 * Every other time the leader is killed meanwhile, and starts again.
 *
 * @param spared may seem to lead still, and would start without being told to join
 */
async function amid(striker: Striker, prng: Prng, work: () => Promise<unknown>, spared?: string): Promise<void> {
  const working = work();
  const { members, cluster, observer } = striker.tools;
  const { leader } = observer;
  const victim = leader !== undefined && leader !== spared && members.ids.includes(leader) ? leader : undefined;
  if (prng.chance(0.5)) {
    await Promise.race([working, Bun.sleep(prng.int(400))]);
    const runs = victim !== undefined && members.ids.includes(victim) && cluster.runningIds.includes(victim);
    if (runs) {
      await cluster.kill(victim);
      await striker.wait(prng.int(1_000));
      cluster.startNode(victim);
    }
  }
  await working;
}

/** What must come true in time, whatever else happens. */
export async function demand(
  { tools: { history } }: Striker,
  what: string,
  work: () => Promise<void>,
): Promise<boolean> {
  const from_us = history.nowUs();
  const done = await work().then(
    () => true,
    () => false,
  );
  history.add<RecoveryRecord>({ type: "recovery", what, done, from_us, to_us: history.nowUs() });
  return done;
}

async function ended({ tools: { cluster } }: Striker, id: string): Promise<void> {
  await eventually(() => !cluster.runningIds.includes(id), { deadlineMs: TOLD_MS, what: `${id} ends` });
  const code = cluster.node(id).process?.exitCode;
  if (code !== REFUSED) throw new Error(`${id} ended with code ${code}`);
}
