import { describe, expect, test } from "bun:test";
import { type MembershipChange, type MembershipEnd, nextStep } from "../../../src/engine/membership-change.ts";
import type { PeerMessage } from "../../../src/engine/peer-messages.ts";
import type { Configuration, NodeFacts } from "../../../src/raft/types.ts";
import { FakeNodes, nodeFactsOf } from "../../support/engine-fakes.ts";

const everybody = (_replica: number): boolean => true;
const unknown = (replica: number): NodeFacts => ({ ...nodeFactsOf(replica), incarnation: 0 });

function of(voters: number[], learners: number[] = [], nodes: readonly NodeFacts[] = []): Configuration {
  const all = [...voters, ...learners];
  const facts = new Map(all.map((replica, i) => [replica, nodes[i] ?? nodeFactsOf(replica)]));
  return { voters, learners, facts: { nextReplica: Math.max(...all) + 1, nodes: facts } };
}

const add = (node: NodeFacts): MembershipChange => ({ type: "add", node });
const remove = (replica: number): MembershipChange => ({ type: "remove", replica });

function endOf(change: MembershipChange, configuration: Configuration, isConnected = everybody): unknown {
  const step = nextStep(change, configuration, isConnected);
  return step.type === "end" ? step.end.type : step.configuration;
}

describe("the next step of a change of members", () => {
  test("adds a learner under an id that nobody ever had", () => {
    const grown = endOf(add(nodeFactsOf(9)), {
      ...of([1, 2]),
      facts: { nextReplica: 7, nodes: of([1, 2]).facts!.nodes },
    });
    expect(grown).toMatchObject({ voters: [1, 2], learners: [7], facts: { nextReplica: 8 } });
  });

  test("is none when that node is there already, and a refusal when another process has its id", () => {
    const configuration = of([1, 2], [3]);
    expect(endOf(add(nodeFactsOf(3)), configuration)).toBe("done");
    expect(endOf(add(nodeFactsOf(2)), configuration)).toBe("done");
    expect(endOf(add({ ...nodeFactsOf(3), incarnation: 99 }), configuration)).toBe("exists");
    expect(endOf(add(unknown(3)), configuration)).toBe("exists");
  });

  test("gives a place that was only announced to whoever comes first, but never a voter's", () => {
    const configuration = of([1, 2], [3], [nodeFactsOf(1), unknown(2), unknown(3)]);
    expect(endOf(add(unknown(3)), configuration)).toBe("done");
    expect(endOf(add({ ...unknown(3), peerAddress: { host: "elsewhere", port: 1 } }), configuration)).toBe("exists");
    const claimed = endOf(add(nodeFactsOf(3)), configuration) as Configuration;
    expect([claimed.learners, claimed.facts?.nodes.get(3)?.incarnation]).toEqual([[3], 3]);
    expect(endOf(add(nodeFactsOf(2)), configuration)).toBe("exists");
  });

  test("removes, but not the last voter, and not where the rest could agree on nothing", () => {
    expect(endOf(remove(3), of([1, 2, 3], [4]))).toMatchObject({
      voters: [1, 2],
      learners: [4],
      facts: { nextReplica: 5 },
    });
    expect(endOf(remove(4), of([1, 2, 3], [4]))).toMatchObject({ voters: [1, 2, 3], learners: [] });
    expect(endOf(remove(9), of([1, 2, 3]))).toBe("done");
    expect(endOf(remove(1), of([1], [2]))).toBe("lastVoter");
    expect(endOf(remove(3), of([1, 2, 3]), (replica) => replica !== 2)).toBe("quorum");
    expect(endOf(remove(2), of([1, 2, 3]), (replica) => replica !== 2)).toMatchObject({ voters: [1, 3] });
  });

  test("counts nobody who is under repair among those who would remain (PROTOCOLS D7)", () => {
    const nodes = greeted(3);
    const leader = nodes.node(leaderOf(nodes));
    const [gone = 0, damaged = 0] = [1, 2, 3].filter((replica) => replica !== leader.self);
    const progress = leader.host.raft.follower(damaged) as { repairing: boolean };
    progress.repairing = true;
    const ends = change(nodes, leader.self, remove(gone));
    expect(ends).toEqual([{ type: "quorum", replica: gone }]);
    progress.repairing = false;
    expect(change(nodes, leader.self, remove(damaged))).toEqual([]);
    nodes.pass(1_000);
    expect(leader.host.raft.configuration.voters).not.toContain(damaged);
  });

  test("is refused when there are as many nodes as there may be", () => {
    expect(endOf(add(nodeFactsOf(8)), of([1, 2, 3, 4, 5, 6, 7]))).toBe("tooMany");
  });
});

/** A cluster whose nodes have told each other what they know. */
function greeted(size: number, levels?: readonly number[]): FakeNodes {
  const nodes = new FakeNodes(size, levels ?? Array.from({ length: size }, () => 2));
  for (const from of nodes.nodes) {
    for (const to of nodes.nodes) if (from !== to) from.engine.onConnected(to.self, nodeFactsOf(to.self));
  }
  nodes.pass(2_000);
  return nodes;
}

function change(nodes: FakeNodes, through: number, wanted: MembershipChange): MembershipEnd[] {
  const ends: MembershipEnd[] = [];
  const node = nodes.node(through);
  node.host.changeMembers(wanted, node.nowMs, (end) => ends.push(end));
  return ends;
}

function leaderOf(nodes: FakeNodes): number {
  return nodes.nodes.find(({ host }) => host.raft.established)?.self ?? 0;
}

describe("the members of a group", () => {
  test("are written down as they say who they are", () => {
    const { configuration } = greeted(3).node(1).host.raft;
    expect(configuration.voters).toEqual([1, 2, 3]);
  });

  test("change through any node, and all are told who is to be talked to", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const follower = nodes.nodes.find(({ self }) => self !== leader)!.self;
    const before = nodes.node(follower).engine.statistics.configurationChanges;
    const ends = change(nodes, follower, remove(6 - leader - follower));
    nodes.pass(1_000);
    expect(nodes.node(follower).engine.statistics.configurationChanges).toBe(before + 1);
    expect(ends).toEqual([{ type: "done", replica: 6 - leader - follower }]);
    const left = [leader, follower].toSorted((a, b) => a - b);
    for (const id of left) {
      expect(nodes.node(id).host.raft.configuration.voters).toEqual(left);
      expect([...(nodes.node(id).network.members?.replicas.keys() ?? [])].toSorted((a, b) => a - b)).toEqual(left);
    }
  });

  test("a leader that is to be removed lets another one lead first", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const ends = change(nodes, leader, remove(leader));
    nodes.pass(3_000);
    expect(ends).toEqual([{ type: "done", replica: leader }]);
    expect(nodes.node(leader).handedTo).toHaveLength(1);
    expect(leaderOf(nodes)).not.toBe(leader);
  });

  test("stay as they are while a node does not know how they change, and it is named (R7)", () => {
    const nodes = greeted(3, [2, 1, 2]);
    const ends = change(nodes, leaderOf(nodes), remove(3));
    nodes.pass(9_000);
    expect(ends).toEqual([{ type: "outdated", replica: 2 }]);
    expect(nodes.node(1).host.raft.configuration.voters).toEqual([1, 2, 3]);
  });

  test("of a program that does not know the group's feature level count only once it does (R7)", () => {
    const nodes = greeted(3, [3, 3, 3]);
    const leader = leaderOf(nodes);
    expect(nodes.node(leader).machine.featureLevel).toBe(3);
    const old = nodes.join(2);
    change(nodes, leader, add(nodeFactsOf(old.self)));
    nodes.pass(3_000);
    const { raft } = nodes.node(leader).host;
    expect([raft.configuration.voters, raft.configuration.learners]).toEqual([[1, 2, 3], [old.self]]);
    expect(raft.isCaughtUp(old.self)).toBe(true);
    nodes.node(leader).receive(old.self, { type: "features", level: 3 });
    nodes.pass(500);
    expect(nodes.node(leader).host.raft.configuration.voters).toContain(old.self);
  });

  test("that may yet have changed are not said to be as before: a change that waits for disks has no known end", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const [gone, slow] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    nodes.node(slow).log.slow = true;
    const ends = change(nodes, leader, remove(gone));
    nodes.pass(9_000);
    expect(nodes.node(leader).host.raft.configuration.voters).not.toContain(gone);
    expect(ends.map(({ type }) => type)).toEqual(["timedOut"]);
  });

  test("do not change long after somebody was told that it took too long", () => {
    const nodes = greeted(1);
    const { log, host } = nodes.node(1);
    nodes.pass(500);
    log.room.entryBytes = 0;
    const ends = change(nodes, 1, add(nodeFactsOf(2)));
    nodes.pass(9_000);
    expect(ends.map(({ type }) => type)).toEqual(["busy"]);
    log.room.entryBytes = Number.POSITIVE_INFINITY;
    nodes.pass(3_000);
    expect(host.raft.configuration.learners).toEqual([]);
  });
});

/** Frames of membership that come to the node, which gets none of them any more. */
function intercept(nodes: FakeNodes, id: number, type: PeerMessage["type"]): PeerMessage[] {
  const node = nodes.node(id);
  const receive = node.receive.bind(node);
  const caught: PeerMessage[] = [];
  node.receive = (from, ...messages) => {
    caught.push(...messages.filter((message) => message.type === type));
    return receive(from, ...messages.filter((message) => message.type !== type));
  };
  return caught;
}

describe("a question about members", () => {
  function asked(nodes: FakeNodes, leader: number, id: number, change: MembershipChange, later = 0): PeerMessage {
    const { term } = nodes.node(leader).host.raft;
    return { type: "membershipRequest", group: 0, id, term: term + later, triedFrom: 0, change };
  }

  test("of an earlier term is not carried out: who asked it has asked the next leader since", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const asker = (leader % 3) + 1;
    const replies = intercept(nodes, asker, "membershipReply");
    nodes.node(leader).receive(asker, asked(nodes, leader, 5, add(nodeFactsOf(9)), -1));
    nodes.pass(500);
    expect(nodes.node(leader).host.raft.configuration.learners).toEqual([]);
    expect(replies).toMatchObject([{ id: 5, end: { type: "notLeader" } }]);
  });

  test("that comes once more when it has ended is answered as before, and changes nothing", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const asker = (leader % 3) + 1;
    const replies = intercept(nodes, asker, "membershipReply");
    nodes.join(2);
    const question = asked(nodes, leader, 5, add(nodeFactsOf(4)));
    nodes.node(leader).receive(asker, question);
    nodes.pass(500);
    expect(nodes.node(leader).host.raft.configuration.voters).toContain(4);
    change(nodes, leader, remove(4));
    nodes.pass(500);
    nodes.node(leader).receive(asker, question);
    nodes.pass(500);
    expect(nodes.node(leader).host.raft.configuration).toMatchObject({ voters: [1, 2, 3], learners: [] });
    const done = { id: 5, end: { type: "done", replica: 4 } };
    expect(replies).toMatchObject([done, done]);
  });

  test("is refused by the leader that was asked last, not by a late answer of the one before", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const asker = nodes.node((leader % 3) + 1);
    const questions = intercept(nodes, leader, "membershipRequest");
    const ends = change(nodes, asker.self, remove(leader));
    nodes.pass(50);
    const [question] = questions;
    if (question?.type !== "membershipRequest") throw new Error("nobody was asked");
    const { id, term } = question;
    const end = { type: "quorum", replica: 0 } as const;
    asker.receive(leader, { type: "membershipReply", group: 0, id, term: term - 1, end });
    nodes.pass(50);
    expect(ends).toEqual([]);
    asker.receive(leader, { type: "membershipReply", group: 0, id, term, end });
    nodes.pass(50);
    expect(ends).toEqual([end]);
  });

  test("that an earlier leader was asked, too, has no known end when it is given up: that one may have proposed it (Q2)", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const [gone, slow] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    const replies = intercept(nodes, slow, "membershipReply");
    nodes.node(slow).log.slow = true;
    change(nodes, leader, remove(gone));
    const question = asked(nodes, leader, 5, add(nodeFactsOf(9)));
    nodes.node(leader).receive(slow, question);
    nodes.node(leader).receive(slow, { ...question, id: 6, triedFrom: 4 } as PeerMessage);
    nodes.pass(7_000);
    expect(replies).toMatchObject([
      { id: 5, end: { type: "busy" } },
      { id: 6, end: { type: "timedOut" } },
    ]);
  });

  test("that an earlier leader was asked, too, neither lets in nor refuses whoever may have been in since (Q2)", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const asker = (leader % 3) + 1;
    const replies = intercept(nodes, asker, "membershipReply");
    const ask = (id: number, node: NodeFacts, triedFrom: number): void => {
      nodes.node(leader).receive(asker, { ...asked(nodes, leader, id, add(node)), triedFrom } as PeerMessage);
      nodes.pass(500);
    };
    nodes.join(2);
    change(nodes, leader, add(nodeFactsOf(4)));
    nodes.pass(500);
    // It votes by now, and so is there for good.
    ask(5, unknown(4), 4);
    ask(6, unknown(4), 0);
    change(nodes, leader, remove(4));
    nodes.pass(500);
    ask(7, nodeFactsOf(4), 4);
    expect(nodes.node(leader).host.raft.configuration).toMatchObject({ voters: [1, 2, 3], learners: [] });
    // Nobody has joined since another one was asked to let this one in.
    nodes.join(2);
    ask(8, nodeFactsOf(5), 5);
    expect(replies).toMatchObject([
      { id: 5, end: { type: "timedOut" } },
      { id: 6, end: { type: "exists" } },
      { id: 7, end: { type: "timedOut" } },
      { id: 8, end: { type: "done", replica: 5 } },
    ]);
  });

  test("tells the next leader which replica the one before may have given away", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const [asker, next] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    const questions = [leader, next].map((id) => intercept(nodes, id, "membershipRequest"));
    const ends = change(nodes, asker, add(nodeFactsOf(9)));
    nodes.pass(100);
    nodes.node(leader).transfer(next);
    nodes.node(leader).engine.wake();
    nodes.pass(100);
    expect([leaderOf(nodes), ends]).toEqual([next, []]);
    expect(questions.map(([first]) => first)).toMatchObject([{ triedFrom: 0 }, { triedFrom: 4 }]);
  });

  test("for which there is no room is not refused: a copy of it might find room", () => {
    const nodes = greeted(3);
    const leader = leaderOf(nodes);
    const [asker, slow] = [1, 2, 3].filter((id) => id !== leader) as [number, number];
    const replies = intercept(nodes, asker, "membershipReply");
    for (const { self, log } of nodes.nodes) log.slow = self !== leader;
    change(nodes, leader, remove(slow));
    for (let id = 1; id <= 70; id++) nodes.node(leader).receive(asker, asked(nodes, leader, id, remove(9)));
    nodes.pass(100);
    expect(replies).toEqual([]);
  });
});
