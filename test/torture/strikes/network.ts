import type { Prng } from "../../../src/kernel/prng.ts";
import { shuffled } from "../faults.ts";
import { secondsOf, type Strike, type Striker } from "./strike.ts";

interface Cut {
  readonly nodes: readonly string[];
  readonly text: string;
  /** Those that no majority can have any more. */
  readonly without: readonly string[];
  readonly cut: () => void;
}

export const partition: Strike = cutFor("partition", groupsOf);
export const oneWay: Strike = cutFor("one-way", directionOf);

function cutFor(kind: string, choose: (striker: Striker, prng: Prng) => Cut): Strike {
  return async (striker, fault, prng) => {
    const { nodes, text, without, cut } = choose(striker, prng);
    const detail = striker.announce(kind, `${text} for ${secondsOf(fault)} s`);
    cut();
    await striker.wait(fault.lastsMs);
    striker.tools.cluster.heal();
    return { nodes, detail, without };
  };
}

function groupsOf(striker: Striker, prng: Prng): Cut {
  const { cluster, namespaces, members } = striker.tools;
  const target = striker.target(prng);
  const way = prng.int(namespaces === undefined ? 3 : 4);
  if (way === 3) {
    return { nodes: [target], text: `${target} unplugged`, without: [target], cut: () => namespaces?.unplug(target) };
  }
  const order = [target, ...shuffled(members.others(target), prng)];
  const smaller = way === 0 ? 1 : Math.floor(order.length / 2);
  const halves = [order.slice(0, smaller), order.slice(smaller)];
  const groups = way === 2 ? order.map((id) => [id]) : halves;
  const text = groups.map((group) => group.join(" ")).join(" | ");
  const largest = groups.reduce((a, b) => (b.length > a.length ? b : a));
  const without = order.filter((id) => !largest.includes(id));
  return { nodes: order, text, without, cut: () => cluster.partition(...groups) };
}

function directionOf(striker: Striker, prng: Prng): Cut {
  const { cluster, members } = striker.tools;
  const target = striker.target(prng);
  const others = members.others(target);
  const other = prng.pick(others);
  switch (prng.int(3)) {
    case 0:
      return { nodes: [target], text: `${target} hears nobody`, without: [target], cut: () => cluster.deafen(target) };
    case 1: {
      const mute = () => others.forEach((id) => cluster.blockOneWay(target, id));
      return { nodes: [target], text: `nobody hears ${target}`, without: [target], cut: mute };
    }
    default: {
      const text = `${other} does not hear ${target}`;
      const nodes = [target, other];
      return { nodes, text, without: nodes, cut: () => cluster.blockOneWay(target, other) };
    }
  }
}
