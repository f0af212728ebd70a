import { decodeFeatureLevel } from "../../kernel/feature-level.ts";
import { decodeConfiguration, isSame, roleIn } from "../../raft/configuration.ts";
import { majority } from "../../raft/quorum.ts";
import type { Raft } from "../../raft/raft.ts";
import type { Configuration, Entry, ReplicaId } from "../../raft/types.ts";
import { check } from "../violation.ts";

/** Terms stay below this in every run. */
const TERMS = 65_536;

interface Written {
  readonly index: number;
  readonly term: number;
  readonly configuration: Configuration;
}

const NOBODY: Configuration = { voters: [], learners: [] };

/** That nodes go by the configurations that their logs say, and that those fit each other, one after the other (PROTOCOLS R5, M1). */
export class StandingConfigurations {
  private readonly written: Written[] = [];
  /** That entries bring, by index and term. */
  private readonly levels = new Map<number, number>();
  private readonly raises: { readonly index: number; readonly level: number }[] = [];
  /** Those that have committed, by rising index. */
  private readonly committed: Written[];
  /** Index of the entry that brought it, by every replica that ever belonged to the group as far as has committed. */
  private readonly members: Map<ReplicaId, number>;
  /** The term in which the node led when its last turn ended, though its removal had committed. */
  private readonly overIn = new Map<ReplicaId, number>();

  constructor(
    first: Configuration,
    private readonly mayReturn: boolean,
  ) {
    this.committed = [{ index: 0, term: 0, configuration: first }];
    this.members = new Map([...first.voters, ...first.learners].map((replica) => [replica, 0]));
  }

  appended({ kind, index, term, payload }: Entry): void {
    if (kind === "feature") this.levels.set(index * TERMS + term, decodeFeatureLevel(payload));
    if (kind !== "configuration" || this.find(index, term) !== undefined) return;
    this.written.push({ index, term, configuration: decodeConfiguration(payload) });
  }

  /** For the first time, anywhere. */
  committedAt(index: number, term: number): void {
    const level = this.levels.get(index * TERMS + term);
    if (level !== undefined) this.raises.push({ index, level });
    const next = this.find(index, term);
    const before = this.committed.at(-1);
    if (next === undefined || before === undefined) return;
    this.committed.push(next);
    const [one, other] = [before.configuration, next.configuration];
    check(
      haveCommonMajorities(one, other),
      "R5 majorities of configurations that follow each other share a voter",
      () => {
        return `${one.voters.join(", ")} is followed by ${other.voters.join(", ")} at ${term}/${index}`;
      },
    );
    for (const replica of [...other.voters, ...other.learners]) {
      if (roleIn(one, replica) !== "none") continue;
      check(this.mayReturn || !this.members.has(replica), "M1 no replica has the id of one that has left", () => {
        return `replica ${replica} joins at ${term}/${index}, and was a member before`;
      });
      this.members.set(replica, index);
    }
  }

  /** Of a replica whose program knows levels up to this one: a later one was in force before it joined, so nobody asked it. */
  joinedBehind(replica: ReplicaId, knownLevel: number): boolean {
    const raise = this.raises.find(({ level }) => level > knownLevel);
    if (raise === undefined) return false;
    if (raise.index < (this.members.get(replica) ?? 0)) return true;
    // It may have got so far before that which takes it in has committed.
    const isMember = roleIn(this.committed.at(-1)?.configuration ?? NOBODY, replica) !== "none";
    const isTakenIn = ({ index, configuration }: Written): boolean =>
      index > raise.index && roleIn(configuration, replica) !== "none";
    return !isMember && this.written.some(isTakenIn);
  }

  /** A node's turn is over. */
  observe(node: ReplicaId, { role, term, log }: Raft): void {
    const { index, configuration } = log.configurations.current;
    const said = (): string => `node${node} goes by ${JSON.stringify(configuration.voters)} of ${index}`;
    const isThere = index <= log.lastIndex;
    check(
      isThere,
      "R5 in force is the newest configuration of the log",
      () => `${said()}, and ends at ${log.lastIndex}`,
    );
    const own = index > log.compacted.index ? this.find(index, log.term(index) ?? 0) : this.asOf(index);
    // Who joins knows nobody before its log says so; and what is not written yet is not known here.
    if (configuration.voters.length > 0 && own !== undefined) {
      check(isSame(own.configuration, configuration), "R5 in force is the newest configuration of the log", said);
    }
    const newer = this.written.find((each) => each.index > index && log.term(each.index) === each.term);
    check(newer === undefined, "R5 in force is the newest configuration of the log", () => {
      return `${said()}, and has that of ${newer?.index}`;
    });
    const isOver = role === "leader" && index <= log.commitIndex && roleIn(configuration, node) !== "voter";
    check(!isOver || this.overIn.get(node) !== term, "R5 a leader that was removed steps down", () => {
      return `node${node} goes on to lead term ${term}, and is no voter since ${index} has committed`;
    });
    if (isOver) this.overIn.set(node, term);
    else this.overIn.delete(node);
  }

  private find(index: number, term: number): Written | undefined {
    return this.written.find((each) => each.index === index && each.term === term);
  }

  /** What a snapshot of that entry says. */
  private asOf(index: number): Written | undefined {
    return this.committed.findLast((each) => each.index <= index);
  }
}

function haveCommonMajorities({ voters: one }: Configuration, { voters: other }: Configuration): boolean {
  const all = new Set([...one, ...other]);
  return majority(one.length) + majority(other.length) > all.size;
}
