import type { MembershipChange, MembershipEnd } from "../engine/membership-change.ts";
import type { Prng } from "../kernel/prng.ts";
import type { ReplicaId } from "../raft/types.ts";
import { factsOf, type NodeOrigin, toldToJoiner } from "./node-origin.ts";
import type { SimNode } from "./sim-node.ts";
import type { SimProcess } from "./sim-process.ts";
import type { World } from "./world.ts";

/** Nobody waits longer for an answer, in ms: the node that was asked may be dead. */
const PATIENCE_MS = 3_000;
/**
 * What was asked for once is given up by all nodes within so long, in ms. ↯ A node is refused a place at the second try, and
 * gets one by the first: nobody starts it, and it never catches up.
 */
const OPEN_MS = 15_000;
/** How it ended for good. */
const DEFINITE = new Set<MembershipEnd["type"]>(["done", "exists", "tooMany", "lastVoter"]);

/**
 * Whoever has nodes join, leave and be replaced, as operators and nodes that join do over HTTP: asks any node, and asks again
 * until there is an end.
 */
export class Administrator {
  readonly counts = { joins: 0, leaves: 0, replacements: 0, refusals: 0 };
  /** Asked for, and without an end yet. */
  pending = 0;
  private newcomers = 0;

  /** @param begin a node that was let in begins */
  constructor(
    private readonly world: World,
    private readonly nodes: readonly SimNode[],
    private readonly random: Prng,
    private readonly begin: (replica: ReplicaId, origin: NodeOrigin) => void,
  ) {}

  /** A node that was never there. */
  join(): void {
    this.let(`new${++this.newcomers}`, () => this.counts.joins++);
  }

  leave(node: SimNode): void {
    this.ask({ type: "remove", replica: node.id }, ({ type }) => {
      if (type === "done") this.counts.leaves++;
    });
  }

  /** The disk of the node is lost: its replica leaves, and another one takes its place (PROTOCOLS M1). */
  replace(node: SimNode): void {
    node.end();
    this.ask({ type: "remove", replica: node.id }, ({ type }) => {
      if (type === "done") this.let(node.name, () => this.counts.replacements++);
    });
  }

  private let(nodeId: string, done: () => void): void {
    const facts = factsOf(nodeId, this.world.identity());
    this.ask({ type: "add", node: facts }, ({ type, replica }, { host }) => {
      if (type !== "done") return;
      done();
      this.begin(replica, { facts, configuration: toldToJoiner(host.followMembers()) });
    });
  }

  private ask(change: MembershipChange, ended: (end: MembershipEnd, by: SimProcess) => void): void {
    this.pending++;
    this.attempt(change, (end, by) => {
      this.pending--;
      if (end.type !== "done") this.counts.refusals++;
      ended(end, by);
    });
  }

  /** @param beforeMs when it was asked for before, without an end */
  private attempt(
    change: MembershipChange,
    ended: (end: MembershipEnd, by: SimProcess) => void,
    beforeMs = Number.NEGATIVE_INFINITY,
  ): void {
    const { scheduler } = this.world;
    const { nowMs } = scheduler;
    let open = true;
    const again = (waitMs = 0): void => {
      if (!open) return;
      open = false;
      const delayMs = waitMs + 100 + 400 * this.random.next();
      scheduler.after(delayMs, 0, () => this.attempt(change, ended, nowMs));
    };
    const candidates = this.nodes.filter(({ process, paused }) => process !== undefined && !paused);
    const asked = candidates.length === 0 ? undefined : this.random.pick(candidates);
    const process = asked?.process;
    if (asked === undefined || process === undefined) {
      again();
      return;
    }
    this.note(asked, "is asked for", change);
    scheduler.after(PATIENCE_MS, 0, () => again());
    process.host.changeMembers(change, process.engine.nowMs(), (end) => {
      this.note(asked, `change: ${end.type}`, { replica: end.replica });
      if (!open) return;
      if (!DEFINITE.has(end.type)) {
        again();
        return;
      }
      if (end.type !== "done" && nowMs - beforeMs < OPEN_MS) {
        again(OPEN_MS);
        return;
      }
      open = false;
      // Between two turns, as everything that people do.
      scheduler.after(0, 0, () => ended(end, process));
    });
    process.engine.wake();
  }

  private note(node: SimNode, what: string, detail: unknown): void {
    this.world.trace.add(this.world.scheduler.nowMs, node.id, what, detail);
  }
}
