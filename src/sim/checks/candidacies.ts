import { majority } from "../../raft/quorum.ts";
import type { Message, ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

/** Who may ask for votes: nobody enters a term that no majority would let it lead, or its leader gave it (PROTOCOLS R1). */
export class Candidacies {
  /** Who would vote for it, by candidate and term. */
  private readonly supporters = new Map<number, Set<ReplicaId>>();
  /** Told to stand, by node and term. */
  private readonly told = new Set<number>();

  /** @param votersOf those who count, by each configuration that may be in force on the node */
  constructor(private readonly votersOf: (node: ReplicaId) => readonly (readonly ReplicaId[])[]) {}

  /** A message leaves a node. */
  sent(message: Message): void {
    const { to, from, term } = message;
    if (message.type === "preVoteReply" && message.granted) this.of(to, term).add(from);
    else if (message.type === "timeoutNow") this.told.add(keyOf(to, term + 1));
    else if (message.type === "voteRequest") this.stands(from, term);
  }

  private stands(candidate: ReplicaId, term: number): void {
    const supporters = this.of(candidate, term);
    const isMajority = (voters: readonly ReplicaId[]): boolean =>
      voters.filter((voter) => voter === candidate || supporters.has(voter)).length >= majority(voters.length);
    const may = this.told.has(keyOf(candidate, term)) || this.votersOf(candidate).some(isMajority);
    check(may, "R1 who stands for election has asked first", () => {
      return `node${candidate} enters term ${term}, and beside it ${[...supporters].join(", ")} would have it`;
    });
  }

  private of(candidate: ReplicaId, term: number): Set<ReplicaId> {
    const key = keyOf(candidate, term);
    let supporters = this.supporters.get(key);
    if (supporters === undefined) this.supporters.set(key, (supporters = new Set()));
    return supporters;
  }
}

function keyOf(node: ReplicaId, term: number): number {
  return node * TERMS + term;
}
