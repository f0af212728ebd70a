import type { Prng } from "../../../src/kernel/prng.ts";
import { eventually } from "../../support/eventually.ts";
import { flipBits, fileFor, loseEverything, loseFile, truncateFile } from "../damage.ts";
import { demand, replaced } from "./membership.ts";
import type { Strike, Striker } from "./strike.ts";

/** From its start until it has everything again. Longer than any fault beside it. */
const WHOLE_MS = 45_000;
const REFUSED_MS = 20_000;

export const bitFlip = damageBy("bit-flip", (path, prng) => flipBits(path, prng));
export const truncate = damageBy("truncate-file", (path, prng) => truncateFile(path, prng));
export const lose = damageBy("lose-file", (path) => loseFile(path));

/**
 * A node is killed, one of its files is damaged, and it starts again: it must have everything again, with the promises that it gave.
 * Until it has, no other node is damaged.
 */
function damageBy(kind: string, damage: (path: string, prng: Prng) => string): Strike {
  return async (striker, _fault, prng) => {
    const { cluster, members } = striker.tools;
    const id = striker.target(prng);
    await cluster.kill(id);
    const path = fileFor(cluster.node(id).dataDirectory, prng);
    const what = path === undefined ? "nothing to damage" : damage(path, prng);
    const detail = striker.announce(kind, `${id}: ${what}`);
    cluster.startNode(id);
    await disturb(striker, prng, id);
    const isWhole = await demand(striker, `${id}, damaged (${what}), repairs itself`, () =>
      members.whole(id, WHOLE_MS),
    );
    // So that the run can go on, and show what else there is.
    if (!isWhole) await afresh(striker, prng, id);
    return { nodes: [id], detail, ...(isWhole ? {} : { may_end: [id], renewed: [id] }) };
  };
}

/** Both copies of what a node promised are gone: it must not start, and is replaced. */
export const amnesia: Strike = async (striker, _fault, prng) => {
  const { cluster } = striker.tools;
  const id = striker.target(prng);
  await cluster.kill(id);
  const detail = striker.announce("amnesia", `${id}: ${loseEverything(cluster.node(id).dataDirectory)}`);
  cluster.startNode(id);
  await demand(striker, `${id}, which lost its vote, does not start`, async () => {
    await eventually(() => !cluster.runningIds.includes(id), { deadlineMs: REFUSED_MS, what: `${id} ends` });
    const { process: child, output } = cluster.node(id);
    if (child?.exitCode !== 78 || !output.includes("cluster replace"))
      throw new Error(`it ended with ${child?.exitCode}`);
  });
  await afresh(striker, prng, id);
  return { nodes: [id], detail, may_end: [id], renewed: [id] };
};

async function afresh(striker: Striker, prng: Prng, id: string): Promise<void> {
  await striker.tools.cluster.kill(id);
  await replaced(striker, prng, id);
}

/** Now and then the leader dies while the node is being repaired. */
async function disturb(striker: Striker, prng: Prng, id: string): Promise<void> {
  const { cluster, members, observer } = striker.tools;
  const { leader } = observer;
  if (!prng.chance(0.4) || leader === undefined || leader === id || !members.ids.includes(leader)) return;
  await Bun.sleep(prng.int(500));
  await cluster.kill(leader);
  await striker.wait(prng.int(1_500));
  cluster.startNode(leader);
}
