import { majority } from "../../raft/quorum.ts";
import type { Message, ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

interface Candidacy {
  /** Who would vote for it. */
  readonly supporters: Set<ReplicaId>;
  /** Those who counted when they said so. Its request leaves later, when its own vote is durable: others may count by then. */
  readonly voters: (readonly ReplicaId[])[];
}

/** Who may ask for votes: nobody enters a term that no majority would let it lead, or its leader gave it (PROTOCOLS R1). */
export class Candidacies {
  /** By candidate and term. */
  private readonly candidacies = new Map<number, Candidacy>();
  /** Told to stand, by node and term. */
  private readonly told = new Set<number>();

  /** @param votersOf those who count, by each configuration that may be in force on the node */
  constructor(private readonly votersOf: (node: ReplicaId) => readonly (readonly ReplicaId[])[]) {}

  /** A message leaves a node. */
  sent(message: Message): void {
    const { to, from, term } = message;
    if (message.type === "preVoteReply" && message.granted) this.supported(to, term, from);
    else if (message.type === "timeoutNow") this.told.add(keyOf(to, term + 1));
    else if (message.type === "voteRequest") this.stands(from, term);
  }

  private stands(candidate: ReplicaId, term: number): void {
    const { supporters, voters: before } = this.of(candidate, term);
    const isMajority = (voters: readonly ReplicaId[]): boolean =>
      voters.filter((voter) => voter === candidate || supporters.has(voter)).length >= majority(voters.length);
    const may = this.told.has(keyOf(candidate, term)) || [...before, ...this.votersOf(candidate)].some(isMajority);
    check(may, "R1 who stands for election has asked first", () => {
      return `node${candidate} enters term ${term}, and beside it ${[...supporters].join(", ")} would have it`;
    });
  }

  private supported(candidate: ReplicaId, term: number, by: ReplicaId): void {
    const { supporters, voters } = this.of(candidate, term);
    supporters.add(by);
    voters.push(...this.votersOf(candidate));
  }

  private of(candidate: ReplicaId, term: number): Candidacy {
    const key = keyOf(candidate, term);
    let candidacy = this.candidacies.get(key);
    if (candidacy === undefined) this.candidacies.set(key, (candidacy = { supporters: new Set(), voters: [] }));
    return candidacy;
  }
}

function keyOf(node: ReplicaId, term: number): number {
  return node * TERMS + term;
}
