import { bench, run, summary } from "mitata";
import { FakeNodes } from "../../test/support/engine-fakes.ts";

/**
 * What groups with nothing to do add to a turn of the loop, which comes hundreds of times a second for the others' sake: a node
 * leads group 0 of three, and leads, follows, or has no replica of the rest.
 */
function turns(groups: number, role: "leader" | "follower" | "none"): () => void {
  const nodes = new FakeNodes(3);
  for (const node of nodes.nodes) {
    for (let group = 1; group < groups; group++) node.addGroup(group, role === "none" ? [] : [1, 2, 3]);
  }
  nodes.pass(1_000);
  const leader = nodes.nodes.find(({ host }) => host.raft.role === "leader");
  const other = nodes.nodes.find(({ host }) => host.raft.role === "follower");
  const node = role === "follower" ? other : leader;
  if (node === undefined) throw new Error("nobody leads");
  return () => node.turn();
}

summary(() => {
  bench("a turn of group 0 alone", turns(1, "none"));
  for (const role of ["leader", "follower", "none"] as const) {
    bench(`a turn of 9 groups, eight idle (${role})`, turns(9, role));
  }
});

await run();
