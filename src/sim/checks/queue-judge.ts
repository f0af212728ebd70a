import type { LockCommand, Principal, ShownMode } from "../../locks/types.ts";
import { type AnyAcquire, isAcquire } from "../client.ts";
import { check } from "../violation.ts";
import { conflicts, type JudgedResource, stuckWaiters } from "./stuck-waiters.ts";

/** What a command asks for: locks, or permits of one semaphore. */
interface Wanted {
  readonly name: string;
  readonly mode: ShownMode;
}

/** A place in every queue that it names, in the order of arrival. */
export interface Place {
  readonly who: string;
  readonly wanted: readonly Wanted[];
  /** Of a semaphore; 0: it is for locks. */
  readonly permits: number;
  /** Equal for requests that share a place. */
  readonly key: string;
  /** Operations that wait in it. */
  readonly operations: Set<number>;
  /** It had none for a while: nobody was told whether it ended meanwhile. */
  uncertain: boolean;
}

type ResourceOf = (name: string, mode: ShownMode) => JudgedResource;

/** Who came first, by the log: nobody overtakes a place that conflicts, be it of one lock or of several (PROTOCOLS L5, L6). */
export class QueueJudge {
  /** In the order of arrival. */
  private places: Place[] = [];
  private readonly placeOf = new Map<number, Place>();
  /** There are places that {@link checkWaits} has not seen. */
  private grew = false;

  /**
   * The operation waits.
   *
   * @returns where
   */
  waits(operation: number, command: LockCommand): Place | undefined {
    if (!isAcquire(command)) return undefined;
    const asked = placeOf(command);
    let place = this.places.find((other) => other.who === asked.who && other.key === asked.key);
    if (place === undefined) {
      place = asked;
      this.places.push(place);
      this.grew = true;
    }
    this.joins(operation, place);
    return place;
  }

  /** No wait is for ever (PROTOCOLS L4). @param upgraded a reader became exclusive: that makes others wait, too */
  checkWaits(resource: ResourceOf, upgraded: boolean): void {
    if (!this.grew && !upgraded) return;
    this.grew = false;
    const stuck = stuckWaiters(
      this.places.filter(({ uncertain }) => !uncertain),
      resource,
    );
    check(stuck.size === 0, "L4 a circle of waits is refused", () => {
      return `${[...stuck].join(", ")} wait for each other: ${this.describe(stuck)}`;
    });
  }

  /** The command was refused for a deadlock. @param resource what is held; and what would be if it were granted */
  checkDeadlock(command: AnyAcquire, resource: ResourceOf, granted: ResourceOf): void {
    // Where one of them stands in its queue nobody knows.
    if (this.places.some(({ uncertain }) => uncertain)) return;
    const asked = placeOf(command);
    const isOne =
      stuckWaiters([...this.places, asked], resource).has(asked.who) ||
      stuckWaiters(this.places, granted).has(asked.who);
    check(isOne, "L4 a deadlock that is told of is one", () => `${asked.who} is refused ${asked.key}`);
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

  private describe(stuck: ReadonlySet<string>): string {
    return this.places
      .filter(({ who }) => stuck.has(who))
      .map(({ who, key }) => `${who} for ${key}`)
      .join("; ");
  }
}

function placeOf(command: AnyAcquire): Place {
  const wanted = wantedBy(command);
  const permits = command.type === "acquirePermits" ? command.permits : 0;
  const names = JSON.stringify([...wanted.map(({ name, mode }) => `${name} ${mode}`)].sort());
  const key = `${command.type} ${names} ${permits}`;
  return { who: whoIs(command.principal), wanted, permits, key, operations: new Set(), uncertain: false };
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

export function whoIs(principal: Principal): string {
  return principal.kind === "owner" ? `owner:${principal.name}` : `${principal.kind}:${principal.id}`;
}
