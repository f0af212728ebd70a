import { closeSync, openSync } from "node:fs";
import { errorCode } from "./durable-file.ts";

/**
 * Descriptors of the files of one volume, by name. They are as scarce as clients are many: when every one is taken, the
 * log must not be the one that goes without. ↯ Connections up to the limit; the log needs its next segment: EMFILE ends
 * the node, and soon, with the clients of the first, the next one. So one is kept in reserve, and then the oldest file's
 * is given up, to be opened again when it is read.
 */
export class FileDescriptors {
  private readonly byName = new Map<string, number>();
  private spare: number | undefined = openSync("/dev/null", "r");

  get(name: string): number | undefined {
    return this.byName.get(name);
  }

  set(name: string, descriptor: number): void {
    this.byName.set(name, descriptor);
  }

  forget(name: string): void {
    const descriptor = this.byName.get(name);
    if (descriptor === undefined) return;
    this.byName.delete(name);
    closeSync(descriptor);
  }

  /** Nothing comes between giving one up and opening: no connection can take it. */
  open(path: string, flags: "r" | "r+" | "w+"): number {
    try {
      return openSync(path, flags, 0o600);
    } catch (error) {
      const code = errorCode(error);
      if ((code !== "EMFILE" && code !== "ENFILE") || !this.giveUpOne()) throw error;
      return openSync(path, flags, 0o600);
    }
  }

  close(): void {
    for (const descriptor of this.byName.values()) closeSync(descriptor);
    this.byName.clear();
    if (this.spare !== undefined) closeSync(this.spare);
    this.spare = undefined;
  }

  private giveUpOne(): boolean {
    const { spare } = this;
    this.spare = undefined;
    if (spare !== undefined) {
      closeSync(spare);
      return true;
    }
    for (const [name, descriptor] of this.byName) {
      this.byName.delete(name);
      closeSync(descriptor);
      return true;
    }
    return false;
  }
}
