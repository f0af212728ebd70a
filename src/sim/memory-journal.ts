import { afterDeath, type ApplyJournal, type Suspect } from "../engine/apply-journal.ts";
import type { GroupId } from "../raft/types.ts";

/** The {@link ApplyJournal} of one machine: processes come and go on it. */
export class MemoryJournal implements ApplyJournal {
  private readonly suspects = new Map<GroupId, Suspect>();
  private mark: { readonly group: GroupId; readonly from: number; readonly to: number } | undefined;
  private program = "";

  /** A process starts. */
  open(program: string): void {
    const { mark } = this;
    if (program !== this.program) this.suspects.clear();
    else if (mark !== undefined) this.count(mark.group, mark.from, mark.to);
    this.program = program;
    this.mark = undefined;
  }

  suspect(group: GroupId): Suspect | undefined {
    return this.suspects.get(group);
  }

  begin(group: GroupId, from: number, to: number): void {
    this.mark = { group, from, to };
  }

  end(): void {
    this.mark = undefined;
  }

  threw(group: GroupId, index: number, error: string): Suspect {
    this.mark = undefined;
    return this.count(group, index, index, error);
  }

  cleared(group: GroupId): void {
    this.suspects.delete(group);
  }

  private count(group: GroupId, from: number, to: number, error?: string): Suspect {
    const suspect = afterDeath(this.suspects.get(group), from, to, error);
    this.suspects.set(group, suspect);
    return suspect;
  }
}
