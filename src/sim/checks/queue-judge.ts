import type { LockCommand, Principal, ShownMode } from "../../locks/types.ts";
import { type AnyAcquire, isAcquire } from "../client.ts";
import { check } from "../violation.ts";

/** What a command asks for: locks, or permits of one semaphore. */
interface Wanted {
  readonly name: string;
  readonly mode: ShownMode;
}

/** A place in every queue that it names, in the order of arrival. */
export interface Place {
  readonly who: string;
  readonly wanted: readonly Wanted[];
  /** Equal for requests that share a place. */
  readonly key: string;
  /** Operations that wait in it. */
  readonly operations: Set<number>;
  /** It had none for a while: nobody was told whether it ended meanwhile. */
  uncertain: boolean;
}

/** Who came first, by the log: nobody overtakes a place that conflicts, be it of one lock or of several (PROTOCOLS L5, L6). */
export class QueueJudge {
  /** In the order of arrival. */
  private places: Place[] = [];
  private readonly placeOf = new Map<number, Place>();

  /**
   * The operation waits.
   *
   * @returns where
   */
  waits(operation: number, command: LockCommand): Place | undefined {
    if (!isAcquire(command)) return undefined;
    const who = whoIs(command.principal);
    const wanted = wantedBy(command);
    const key = JSON.stringify([...wanted.map(({ name, mode }) => `${name} ${mode}`)].sort());
    const same = `${command.type} ${key} ${command.type === "acquirePermits" ? command.permits : ""}`;
    let place = this.places.find((other) => other.who === who && other.key === same);
    if (place === undefined) {
      place = { who, wanted, key: same, operations: new Set(), uncertain: false };
      this.places.push(place);
    }
    this.joins(operation, place);
    return place;
  }

  /** A retry by idempotency key waits where the first request does. */
  joins(operation: number, place: Place): void {
    place.operations.add(operation);
    this.placeOf.set(operation, place);
  }

  /** @param orphaned a session's place stays although the process that asked has ended */
  ends(operation: number, orphaned: boolean): void {
    const place = this.placeOf.get(operation);
    if (place === undefined) return;
    this.placeOf.delete(operation);
    place.operations.delete(operation);
    if (place.operations.size > 0) return;
    if (orphaned) place.uncertain = true;
    else this.places = this.places.filter((other) => other !== place);
  }

  /** What the principal had not held before is granted. */
  granted(operation: number, principal: Principal, wanted: Wanted): void {
    const own = this.placeOf.get(operation);
    if (own?.uncertain === true) return;
    const who = own?.who ?? whoIs(principal);
    for (const place of this.places) {
      if (place === own) return;
      if (place.who === who || place.uncertain) continue;
      const conflict = place.wanted.find(({ name, mode }) => name === wanted.name && conflicts(mode, wanted.mode));
      check(conflict === undefined, "L6 nobody is overtaken", () => {
        return `${who} gets ${wanted.name} ${wanted.mode} before ${place.who}, who came first for ${place.key}`;
      });
    }
  }
}

function wantedBy(command: AnyAcquire): Wanted[] {
  switch (command.type) {
    case "acquire":
      return [{ name: command.lock, mode: command.mode }];
    case "acquireAll":
      return command.locks.map(({ lock, mode }) => ({ name: lock, mode }));
    case "acquirePermits":
      return [{ name: command.semaphore, mode: "semaphore" }];
  }
}

function whoIs(principal: Principal): string {
  return principal.kind === "owner" ? `owner:${principal.name}` : `${principal.kind}:${principal.id}`;
}

/** A semaphore is never called like a lock in a run. */
function conflicts(a: ShownMode, b: ShownMode): boolean {
  return a !== "shared" || b !== "shared";
}
