import { spawnSync } from "node:child_process";
import { onExit } from "./on-exit.ts";

/**
 * A network of its own for each node of a cluster, joined by a switch, and reachable from here: `iptables` can then drop
 * the packets between one node and its peers, silently, while clients still reach it. Linux, root.
 */
export class NodeNamespaces implements Disposable {
  /** Of the nodes, in their order. */
  readonly addresses: readonly string[];
  private readonly subnet: string;
  private readonly end: () => void;

  private constructor(
    private readonly prefix: string,
    size: number,
    third: number,
  ) {
    this.subnet = `10.213.${third}`;
    this.addresses = Array.from({ length: size }, (_, index) => `${this.subnet}.${index + 1}`);
    this.end = onExit(() => this.remove());
  }

  /** @returns undefined where this is not possible, and why on the console */
  static create(size: number): NodeNamespaces | undefined {
    const missing = ["ip", "iptables"].filter((program) => Bun.which(program) === null);
    if (process.getuid?.() !== 0) return refuse("it needs root");
    if (missing.length > 0) return refuse(`there is no ${missing.join(" and no ")} on the PATH`);
    created += 1;
    const namespaces = new NodeNamespaces(`mfk${process.pid}${"abcdefgh"[created % 8]}`, size, third(created));
    try {
      namespaces.build();
      return namespaces;
    } catch (error) {
      namespaces[Symbol.dispose]();
      return refuse(String(error));
    }
  }

  /** The same command, run by that node. The process that is started is the node itself. */
  wrap(index: number, command: readonly string[]): string[] {
    return ["ip", "netns", "exec", this.node(index), ...command];
  }

  /** Between that node and its peers nothing arrives any more, in either direction, and nobody is told. */
  dropPeers(index: number): void {
    for (const address of this.addresses) {
      if (address === this.addresses[index]) continue;
      this.inNode(index, `iptables -A INPUT -s ${address} -j DROP`);
      this.inNode(index, `iptables -A OUTPUT -d ${address} -j DROP`);
    }
  }

  heal(index: number): void {
    this.inNode(index, "iptables -F");
  }

  [Symbol.dispose](): void {
    this.end();
  }

  private node(index: number): string {
    return `${this.prefix}${index}`;
  }

  private build(): void {
    const { prefix } = this;
    const middle = `${prefix}s`;
    run(`ip netns add ${middle}`);
    run(`ip -n ${middle} link add br0 type bridge`);
    run(`ip -n ${middle} link set br0 up`);
    run(`ip link add ${prefix}h type veth peer name host netns ${middle}`);
    run(`ip -n ${middle} link set host master br0 up`);
    run(`ip addr add ${this.subnet}.254/24 dev ${prefix}h`);
    run(`ip link set ${prefix}h up`);
    for (const [index, address] of this.addresses.entries()) {
      const node = this.node(index);
      run(`ip netns add ${node}`);
      run(`ip link add eth0 netns ${node} type veth peer name p${index} netns ${middle}`);
      run(`ip -n ${middle} link set p${index} master br0 up`);
      run(`ip -n ${node} addr add ${address}/24 dev eth0`);
      run(`ip -n ${node} link set eth0 up`);
      run(`ip -n ${node} link set lo up`);
    }
    // What rules there are is known now, and not in the first fault.
    for (const index of this.addresses.keys()) this.inNode(index, "iptables -L -n");
  }

  private inNode(index: number, command: string): void {
    run(`ip netns exec ${this.node(index)} ${command}`);
  }

  private remove(): void {
    for (const index of this.addresses.keys()) attempt(`ip netns del ${this.node(index)}`);
    attempt(`ip netns del ${this.prefix}s`);
    attempt(`ip link del ${this.prefix}h`);
  }
}

let created = 0;

/** Third number of the address: others on this machine may do the same. */
function third(count: number): number {
  return (process.pid * 8 + count) % 256;
}

function refuse(why: string): undefined {
  console.log(`SKIPPED, no network namespaces: ${why}`);
  return undefined;
}

function attempt(command: string): string {
  const [program = "", ...rest] = command.split(" ");
  const { status, stderr, error } = spawnSync(program, rest, { encoding: "utf8" });
  return status === 0 ? "" : `${command}: ${error?.message ?? stderr}`;
}

function run(command: string): void {
  const failure = attempt(command);
  if (failure !== "") throw new Error(failure);
}
