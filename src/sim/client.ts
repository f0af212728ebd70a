import type { Prng } from "../kernel/prng.ts";
import type { LockCommand, LockGrant, LockMode, LockResult, LockWish, PermitGrant, Principal } from "../locks/types.ts";

interface KnownHold {
  readonly kind: "lock" | "semaphore";
  readonly name: string;
  readonly principal: Principal;
  readonly token: number;
  /** The node through which it was taken. */
  readonly node: string;
}

type Release = Extract<LockCommand, { type: "release" | "releasePermits" }>;
export type AnyAcquire = Extract<LockCommand, { type: "acquire" | "acquireAll" | "acquirePermits" }>;

/** Each has another limit. */
export const semaphores = ["pool-0", "pool-1"] as const;
/** Holds that it has given back or lost and remembers. */
const PAST_HOLDS = 4;

/** What one client knows and wants next. Few names, so that clients meet. */
export class Client {
  requests = 0;
  private session: string | undefined;
  private holds: KnownHold[] = [];
  private past: KnownHold[] = [];
  private readonly tokens = new Map<string, number>();

  constructor(
    readonly id: number,
    private readonly locks: number,
    private readonly random: Prng,
  ) {}

  /** @param node that will be asked */
  next(node: string): LockCommand {
    this.requests++;
    const { random } = this;
    const dice = random.next();
    if (dice < 0.06) return { type: "openSession", session: this.newSession(), ttlMs: 100 + random.int(1500) };
    if (dice < 0.14 && this.session !== undefined) return { type: "keepalive", sessions: [this.session] };
    if (dice < 0.17 && this.session !== undefined) return { type: "closeSession", session: this.session };
    if (dice < 0.27) return this.fence();
    // Gives back what it has given back before: nobody else may lose anything by it.
    if (dice < 0.29 && this.past.length > 0) return this.release(random.pick(this.past));
    const hold = this.holds.length > 0 ? random.pick(this.holds) : undefined;
    if (hold !== undefined && (dice < 0.6 || this.holds.length > 3)) return this.release(hold);
    return this.acquire(node);
  }

  learn(command: LockCommand, result: LockResult, node: string): void {
    if (result.type === "sessionOpened") this.session = result.session;
    else if (result.type === "error" && result.code === "session_expired") this.forgetSession();
    else if (command.type === "closeSession") this.forgetSession();
    else if (command.type === "release") this.forget("lock", command.lock);
    else if (command.type === "releasePermits") this.forget("semaphore", command.semaphore);
    else if (isAcquire(command)) this.learnGrants(command, result, node);
  }

  private learnGrants({ principal }: AnyAcquire, result: LockResult, node: string): void {
    if (result.type === "granted") this.hold("lock", result.lock, principal, result, node);
    else if (result.type === "permitsGranted") this.hold("semaphore", result.semaphore, principal, result, node);
    else if (result.type === "grantedAll") {
      for (const grant of result.grants) this.hold("lock", grant.lock, principal, grant, node);
    }
  }

  private hold(
    kind: KnownHold["kind"],
    name: string,
    principal: Principal,
    { fencingToken: token, principalId }: LockGrant | PermitGrant,
    node: string,
  ): void {
    this.forget(kind, name);
    const own: Principal = principal.kind === "once" ? { ...principal, id: principalId } : principal;
    this.holds.push({ kind, name, principal: own, token, node });
    if (kind === "lock") this.tokens.set(name, token);
  }

  private forget(kind: KnownHold["kind"], name: string): void {
    const gone = this.holds.filter((hold) => hold.kind === kind && hold.name === name);
    if (gone.length === 0) return;
    this.past = [...gone, ...this.past].slice(0, PAST_HOLDS);
    this.holds = this.holds.filter((hold) => !gone.includes(hold));
  }

  private acquire(node: string): LockCommand {
    const { random } = this;
    const principal = this.principal(node);
    const waitMs = random.chance(0.3) ? 0 : random.int(1500);
    const ttlMs = principal.kind === "session" ? 0 : 100 + random.int(random.chance(0.5) ? 400 : 3000);
    const claim = { principal, ttlMs, waitMs };
    const dice = random.next();
    if (dice < 0.25) return { type: "acquireAll", locks: this.wishes(), ...claim };
    if (dice < 0.45) return { type: "acquirePermits", ...this.share(), ...claim };
    const mode = this.mode();
    const value = mode === "exclusive" && random.chance(0.3) ? `${this.id}/${this.requests}` : undefined;
    return { type: "acquire", lock: this.lock(), mode, value, ...claim };
  }

  /** Some of the locks, in any order. */
  private wishes(): LockWish[] {
    const left = Array.from({ length: this.locks }, (_, i) => `lock-${i}`);
    const wishes: LockWish[] = [];
    for (let count = 1 + this.random.int(3); count > 0 && left.length > 0; count--) {
      const [lock] = left.splice(this.random.int(left.length), 1);
      if (lock !== undefined) wishes.push({ lock, mode: this.mode() });
    }
    return wishes;
  }

  private share(): { semaphore: string; permits: number; limit: number } {
    const { random } = this;
    const number = random.int(semaphores.length);
    const limit = 2 + number + (random.chance(0.03) ? 1 : 0);
    const permits = random.chance(0.6) ? 1 : 1 + random.int(limit);
    return { semaphore: semaphores[number] as string, permits, limit };
  }

  private mode(): LockMode {
    return this.random.chance(0.6) ? "exclusive" : "shared";
  }

  private principal(node: string): Principal {
    const kind = this.random.next();
    if (kind < 0.4 && this.session !== undefined) return { kind: "session", id: this.session };
    // Two clients share each owner: re-entry, and requests that wait in one place.
    if (kind < 0.75) return { kind: "owner", name: `owner-${this.id >> 1}` };
    return { kind: "once", id: `${node}/${this.id}-${this.requests}`, node };
  }

  private release({ kind, name, principal, token, node }: KnownHold): Release {
    const dice = this.random.next();
    const fencingToken = dice < 0.65 ? token : dice < 0.85 ? undefined : dice < 0.95 ? token + 1 : token - 1;
    let holder: Release["holder"] = principal;
    if (principal.kind === "once") {
      holder = dice > 0.82 ? { kind: "anonymous", node } : { kind: "onceId", id: principal.id };
    }
    if (kind === "lock") return { type: "release", lock: name, holder, fencingToken };
    return { type: "releasePermits", semaphore: name, holder, fencingToken };
  }

  private fence(): LockCommand {
    const resource = this.lock();
    return { type: "fence", resource, token: this.tokens.get(resource) ?? 0 };
  }

  private lock(): string {
    return `lock-${this.random.int(this.locks)}`;
  }

  private newSession(): string {
    return this.session !== undefined && this.random.chance(0.3) ? this.session : `session/${this.id}/${this.requests}`;
  }

  private forgetSession(): void {
    this.session = undefined;
    this.holds = this.holds.filter((hold) => hold.principal.kind !== "session");
  }
}

/** Whether the command can be granted something, and may wait for it. */
export function isAcquire(command: LockCommand): command is AnyAcquire {
  return command.type === "acquire" || command.type === "acquireAll" || command.type === "acquirePermits";
}
