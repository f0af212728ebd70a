import { describe, expect, test } from "bun:test";
import { Configurations } from "../../../src/raft/configuration.ts";
import { Followers } from "../../../src/raft/followers.ts";
import type { Progress } from "../../../src/raft/progress.ts";

const matchIndexOf = (progress: Progress): number => progress.matchIndex;

/** Replica 1 leads; the others hold as much as is said. */
function followersOf(voters: number[], learners: number[], held: Readonly<Record<number, number>>): Followers {
  const followers = new Followers(1, { voters, learners }, 1);
  for (const [replica, progress] of followers.entries()) {
    progress.matchIndex = held[replica] ?? 0;
    progress.active = false;
  }
  return followers;
}

describe("a majority among a leader and its followers", () => {
  test("is one of the voters: learners do not count", () => {
    expect(followersOf([1, 2, 3], [4, 5], { 2: 5, 3: 3, 4: 9, 5: 9 }).reached(9, matchIndexOf)).toBe(5);
  });

  test("does not count a leader that is none of them (R5)", () => {
    expect(followersOf([2, 3], [], { 2: 5, 3: 3 }).reached(9, matchIndexOf)).toBe(3);
    expect(followersOf([2, 3, 4], [1], { 2: 5, 3: 4, 4: 1 }).reached(9, matchIndexOf)).toBe(4);
  });

  test.each([
    [[1, 2, 3], [], [2], true],
    [[1, 2, 3], [4], [4], false],
    [[2, 3], [], [2], false],
    [[2, 3], [], [2, 3], true],
    [[2], [1], [2], true],
    [[1], [2], [], true],
  ])("of %j with learners %j was heard when %j were: %p", (voters, learners, heard, expected) => {
    const followers = followersOf(voters, learners, {});
    for (const replica of heard) followers.get(replica)!.active = true;
    expect(followers.heardMajority()).toBe(expected);
    // From now on they must be heard again.
    for (const progress of followers.progresses()) expect(progress.active).toBe(false);
  });

  test("follows a change, which keeps what is known of whoever stays and forgets whoever leaves", () => {
    const followers = followersOf([1, 2, 3], [], { 2: 5, 3: 3 });
    followers.reconfigure({ voters: [1, 2], learners: [4] }, 8);
    expect(followers.reached(9, matchIndexOf)).toBe(5);
    expect(followers.get(3)).toBeUndefined();
    expect([followers.get(2)?.matchIndex, followers.get(4)?.nextIndex]).toEqual([5, 8]);
    expect([followers.voter(2) !== undefined, followers.voter(4)]).toEqual([true, undefined]);
  });
});

describe("the configurations of a log", () => {
  const three = { voters: [1, 2, 3], learners: [] };
  const four = { voters: [1, 2, 3, 4], learners: [] };

  test("are known as of every index from its beginning on", () => {
    const configurations = new Configurations({ index: 0, configuration: three }, [{ index: 5, configuration: four }]);
    expect([4, 5, 9].map((index) => configurations.at(index))).toEqual([three, four, four]);
    configurations.compactTo(7);
    configurations.append(9, three);
    expect([7, 8, 9].map((index) => configurations.at(index))).toEqual([four, four, three]);
    configurations.truncate(9);
    configurations.truncate(1);
    expect(configurations.current).toEqual({ index: 5, configuration: four });
  });

  test("begin with the one of the snapshot, whatever the log still holds from before it", () => {
    const configurations = new Configurations({ index: 7, configuration: four }, [{ index: 5, configuration: three }]);
    configurations.begin(three);
    expect(configurations.current).toEqual({ index: 7, configuration: four });
  });
});
