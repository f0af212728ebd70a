import { shuffled } from "../faults.ts";
import { secondsOf, type Strike } from "./strike.ts";

/** Until a node has noticed, and for so long more. Now and then one of them is killed, and starts on a full disk. */
export const diskFull: Strike = async (striker, fault, prng) => {
  const { cluster, disks, members } = striker.tools;
  const order = shuffled(members.ids, prng);
  const nodes = prng.chance(0.5) ? [striker.target(prng)] : order.slice(0, 1 + prng.int(order.length));
  const [first] = nodes;
  const detail = striker.announce("disk-full", `${nodes.join(", ")} for ${secondsOf(fault)} s`);
  const noticed = (await disks?.fill(nodes)) === true;
  const restart = noticed && first !== undefined && prng.chance(0.4);
  if (restart) {
    await cluster.kill(first);
    cluster.startNode(first);
  }
  await striker.wait(fault.lastsMs);
  disks?.clear(nodes);
  const seen = noticed ? `noticed${restart ? `, ${first} restarted` : ""}` : "not noticed";
  return { nodes, detail: `${detail}, ${seen}` };
};
