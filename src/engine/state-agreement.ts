import type { ReplicaId } from "../raft/types.ts";

/** What the hashes of one index say to one replica (PROTOCOLS R8). Absent ones decide nothing. */
export type Decision =
  | { readonly type: "undecided" }
  | { readonly type: "agreed" }
  /** A majority has the hash `majority`, and this replica another. */
  | { readonly type: "diverged"; readonly own: number; readonly majority: number }
  /** No hash has a majority, and none can get one. */
  | { readonly type: "split"; readonly hashes: readonly number[] };

const UNDECIDED: Decision = { type: "undecided" };
const AGREED: Decision = { type: "agreed" };

/**
 * @param others hashes of the other voters; undefined: not heard
 * @param counts whether `own` is a voter's: a learner only compares
 */
export function decide(own: number | undefined, others: readonly (number | undefined)[], counts = true): Decision {
  const voters = others.length + (counts ? 1 : 0);
  const majority = Math.floor(voters / 2) + 1;
  const heard = (counts ? [own, ...others] : others).filter((hash) => hash !== undefined);
  let best: number | undefined;
  let votes = 0;
  for (const hash of heard) {
    const same = heard.filter((other) => other === hash).length;
    if (same > votes) [best, votes] = [hash, same];
  }
  if (best !== undefined && votes >= majority) {
    if (own === undefined) return UNDECIDED;
    return own === best ? AGREED : { type: "diverged", own, majority: best };
  }
  const silent = voters - heard.length;
  if (!counts) return UNDECIDED;
  return votes + silent < majority ? { type: "split", hashes: heard } : UNDECIDED;
}

/**
 * The newest hashes of every voter, compared index by index. A hash covers all that was applied before it, so what
 * differs once differs at every later index: that a comparison is missed, for a message that was lost, delays it only.
 */
export class StateAgreement {
  /** Indices at which this replica was found to agree with a majority. */
  checks = 0;
  /** The highest of them; 0: none yet. */
  agreedIndex = 0;
  private voters: readonly ReplicaId[] = [];
  /** Of each voter and of this replica, by index. */
  private readonly hashes = new Map<ReplicaId, Map<number, number>>();

  /** @param kept so many hashes of each voter, the highest indices */
  constructor(
    private readonly self: ReplicaId,
    private readonly kept: number,
  ) {
    this.hashes.set(self, new Map());
  }

  /** Who counts from now on. What was decided stays so. */
  follow(voters: readonly ReplicaId[]): void {
    this.voters = voters;
    for (const voter of voters) if (!this.hashes.has(voter)) this.hashes.set(voter, new Map());
    for (const replica of this.hashes.keys()) {
      if (replica !== this.self && !voters.includes(replica)) this.hashes.delete(replica);
    }
  }

  /** A replica's hash of the state as of `index`; what it said of that index before, in another life, is replaced. */
  add(replica: ReplicaId, index: number, hash: number): Decision {
    const known = this.hashes.get(replica);
    if (known === undefined) return UNDECIDED;
    known.set(index, hash);
    if (known.size > this.kept) known.delete(Math.min(...known.keys()));
    const decision = this.decideAt(index);
    if (decision.type === "agreed" && index > this.agreedIndex) {
      this.agreedIndex = index;
      this.checks++;
    }
    return decision;
  }

  /** What this replica found itself, the oldest first. */
  get own(): readonly (readonly [index: number, hash: number])[] {
    return [...(this.hashes.get(this.self) ?? [])].toSorted(([a], [b]) => a - b);
  }

  private decideAt(index: number): Decision {
    const others: (number | undefined)[] = [];
    for (const [replica, known] of this.hashes) if (replica !== this.self) others.push(known.get(index));
    return decide(this.hashes.get(this.self)?.get(index), others, this.voters.includes(this.self));
  }
}
