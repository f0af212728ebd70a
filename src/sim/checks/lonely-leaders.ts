import { majority } from "../../raft/quorum.ts";
import type { Raft } from "../../raft/raft.ts";
import type { ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

interface Reign {
  readonly term: number;
  /** Who was heard since the last time that a majority had been. */
  readonly heard: Set<ReplicaId>;
  ticks: number;
}

/** A tick that is as short as ticks get, and its clock slow, counts as this share of a mean one. */
const LEAST_TICK = 0.8 * 0.95;
const SPARE_TICKS = 4;

/** Check-quorum: a leader that hears no majority steps down (PROTOCOLS R1; thesis §6.2). */
export class LonelyLeaders {
  /** By node. */
  private readonly reigns: (Reign | undefined)[] = [];
  /** It is looked at once in an election time-out, so one may just have been over. In ticks: pauses do not count. */
  private readonly mostTicks: number;

  constructor(electionTimeoutMs: number, tickMs: number) {
    this.mostTicks = (2 * electionTimeoutMs) / (tickMs * LEAST_TICK) + SPARE_TICKS;
  }

  /** A frame arrives. */
  heard(node: ReplicaId, peer: ReplicaId): void {
    this.reigns[node]?.heard.add(peer);
  }

  ticked(node: ReplicaId, raft: Raft | undefined): void {
    if (raft?.role !== "leader") {
      this.reigns[node] = undefined;
      return;
    }
    const { term } = raft;
    const { voters } = raft.configuration;
    let reign = this.reigns[node];
    if (reign?.term !== term) this.reigns[node] = reign = { term, heard: new Set(), ticks: 0 };
    const { heard } = reign;
    if (voters.filter((voter) => voter === node || heard.has(voter)).length >= majority(voters.length)) {
      heard.clear();
      reign.ticks = 0;
    }
    reign.ticks++;
    check(reign.ticks <= this.mostTicks, "R1 a leader that hears no majority steps down", () => {
      return `node${node} leads term ${term}, and for ${reign.ticks} ticks has heard nobody but ${[...heard].join()}`;
    });
  }
}
