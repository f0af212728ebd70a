import { existsSync, readdirSync, readFileSync } from "node:fs";
import type { ClusterNetwork, NodePlace } from "./cluster-network.ts";

const NAMESPACES = "/run/netns";
const PREFIX = "mufakat";
/** Of private addresses, and of 10/8 a corner that few use. */
const SUBNETS = Array.from({ length: 200 }, (_, i) => `10.77.${i}`);

/** Why this machine has no namespaces for us; undefined when it has. */
export function namespacesMissing(): string | undefined {
  if (process.platform !== "linux") return "network namespaces are Linux's";
  if (process.getuid?.() !== 0) return "network namespaces need root";
  const tools = ["ip", "iptables"].filter((tool) => Bun.which(tool) === null);
  if (tools.length > 0) return `${tools.join(" and ")} not found`;
  const probe = `${PREFIX}-${self()}-probe`;
  if (run(["ip", "netns", "add", probe]).failed) return "`ip netns add` is refused here";
  const refused = run(["ip", "netns", "exec", probe, "iptables", "-w", "-L", "INPUT"]).failed;
  run(["ip", "netns", "delete", probe]);
  return refused ? "`iptables` is refused in a network namespace" : undefined;
}

/**
 * A network namespace for each node and a bridge, in a namespace of its own, between them. Clients stand outside: a way
 * of their own leads to the bridge, so that they reach every node whatever comes between two nodes. Packets are dropped
 * where they arrive, so one direction can be cut without the other.
 *
 * Every name carries our process, by which {@link sweepNamespaces} knows what a dead one has left.
 */
export class NamespaceNetwork implements ClusterNetwork {
  readonly flags = ["--insecure"];
  private readonly subnet = freeSubnet();
  private readonly switchName = `${PREFIX}-${self()}-switch`;
  /** Our own end of the way to the bridge; the kernel allows 15 letters. */
  private readonly clientLink = `mfk${process.pid}`;
  private readonly cut = new Set<string>();

  constructor(private readonly nodes: readonly NodePlace[]) {
    try {
      this.create();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  host(id: string): string {
    return `${this.subnet}.${this.number(id)}`;
  }

  peerAddress(id: string, peerPort: number): string {
    return `${this.host(id)}:${peerPort}`;
  }

  programAt(id: string, program: readonly string[]): readonly string[] {
    return ["ip", "netns", "exec", this.namespace(id), ...program];
  }

  block(from: string, to: string): void {
    const pair = `${from}>${to}`;
    if (this.cut.has(pair)) return;
    this.cut.add(pair);
    this.rule(to, "-A", from);
  }

  unblock(from: string, to: string): void {
    if (this.cut.delete(`${from}>${to}`)) this.rule(to, "-D", from);
  }

  /** Nobody reaches the node, clients neither, as when its cable is pulled. */
  unplug(id: string): void {
    must(["ip", "-n", this.switchName, "link", "set", `port${this.number(id)}`, "down"]);
  }

  heal(): void {
    for (const pair of this.cut) {
      const [from = "", to = ""] = pair.split(">");
      this.unblock(from, to);
    }
    for (const { id } of this.nodes) {
      must(["ip", "-n", this.switchName, "link", "set", `port${this.number(id)}`, "up"]);
    }
  }

  close(): void {
    for (const { id } of this.nodes) removeNamespace(this.namespace(id));
    // With the switch it would go, too, but some time later.
    run(["ip", "link", "delete", this.clientLink]);
    removeNamespace(this.switchName);
  }

  private rule(at: string, change: "-A" | "-D", from: string): void {
    const iptables = ["iptables", "-w", change, "INPUT", "-s", this.host(from), "-j", "DROP"];
    must(["ip", "netns", "exec", this.namespace(at), ...iptables]);
  }

  private namespace(id: string): string {
    return `${PREFIX}-${self()}-${id}`;
  }

  private number(id: string): number {
    return this.nodes.findIndex((node) => node.id === id) + 1;
  }

  private create(): void {
    const { switchName, clientLink } = this;
    must(["ip", "netns", "add", switchName]);
    inside(switchName, ["link add bridge type bridge", "link set bridge up"]);
    must(["ip", "link", "add", clientLink, "type", "veth", "peer", "name", "clients", "netns", switchName]);
    inside(switchName, ["link set clients master bridge up"]);
    must(["ip", "addr", "add", `${this.subnet}.254/24`, "dev", clientLink]);
    must(["ip", "link", "set", clientLink, "up"]);
    for (const { id } of this.nodes) {
      const name = this.namespace(id);
      const port = `port${this.number(id)}`;
      must(["ip", "netns", "add", name]);
      inside(name, [`link add eth0 type veth peer name ${port} netns ${switchName}`]);
      inside(switchName, [`link set ${port} master bridge up`]);
      inside(name, [`addr add ${this.host(id)}/24 dev eth0`, "link set eth0 up", "link set lo up"]);
    }
  }
}

/** Removes the namespaces, and ends the processes in them, of processes of ours that have died without doing so. */
export function sweepNamespaces(): string[] {
  const left = existsSync(NAMESPACES) ? readdirSync(NAMESPACES) : [];
  const dead = left.filter((name) => {
    const [, pid, start] = /^mufakat-(\d+)-(\d+)-/.exec(name) ?? [];
    return pid !== undefined && startOf(pid) !== start;
  });
  dead.forEach(removeNamespace);
  return dead;
}

function removeNamespace(name: string): void {
  if (!existsSync(`${NAMESPACES}/${name}`)) return;
  for (const pid of run(["ip", "netns", "pids", name]).output.split("\n")) {
    if (pid !== "") run(["kill", "-9", pid]);
  }
  run(["ip", "netns", "delete", name]);
}

/** This process, also when its id is given to another one later. */
export function self(): string {
  return `${process.pid}-${startOf(String(process.pid)) ?? "0"}`;
}

/** When a process was started, in ticks since the machine was; undefined when there is none of that id. */
export function startOf(pid: string): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // The second field is a name in brackets, which may hold anything.
    return stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  } catch {
    return undefined;
  }
}

function freeSubnet(): string {
  const taken = run(["ip", "-o", "-4", "addr", "show"]).output;
  const free = SUBNETS.filter((subnet) => !taken.includes(` ${subnet}.`));
  const subnet = free[process.pid % free.length];
  if (subnet === undefined) throw new Error("no subnet of 10.77/16 is free");
  return subnet;
}

function inside(namespace: string, commands: readonly string[]): void {
  for (const command of commands) must(["ip", "-n", namespace, ...command.split(" ")]);
}

function must(command: readonly string[]): void {
  const { failed, output } = run(command);
  if (failed) throw new Error(`${command.join(" ")}: ${output.trim()}`);
}

function run(command: readonly string[]): { readonly failed: boolean; readonly output: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync([...command], { stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  return { failed: exitCode !== 0, output: `${stdout.toString()}${stderr.toString()}` };
}
