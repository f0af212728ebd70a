import type { Prng } from "../kernel/prng.ts";
import type { LockCommand, LockMode, LockResult, Principal } from "../locks/types.ts";

interface KnownHold {
  readonly lock: string;
  readonly principal: Principal;
  readonly token: number;
  /** The node through which it was taken. */
  readonly node: string;
}

type Release = Extract<LockCommand, { type: "release" }>;

/** What one client knows and wants next. Few names, so that clients meet. */
export class Client {
  requests = 0;
  private session: string | undefined;
  private holds: KnownHold[] = [];
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
    if (dice < 0.29) return this.fence();
    const hold = this.holds.length > 0 ? random.pick(this.holds) : undefined;
    if (hold !== undefined && (dice < 0.6 || this.holds.length > 2)) return this.release(hold);
    return this.acquire(node);
  }

  learn(command: LockCommand, result: LockResult, node: string): void {
    if (result.type === "sessionOpened") this.session = result.session;
    else if (result.type === "error" && result.code === "session_expired") this.forgetSession();
    else if (command.type === "closeSession") this.forgetSession();
    else if (command.type === "release") this.holds = this.holds.filter((hold) => hold.lock !== command.lock);
    else if (command.type === "acquire" && result.type === "granted") {
      const { lock, principal } = command;
      const token = result.fencingToken;
      this.holds = this.holds.filter((hold) => hold.lock !== lock);
      const own: Principal = principal.kind === "once" ? { ...principal, id: result.principalId } : principal;
      this.holds.push({ lock, principal: own, token, node });
      this.tokens.set(lock, token);
    }
  }

  private acquire(node: string): LockCommand {
    const { random } = this;
    const principal = this.principal(node);
    const mode: LockMode = random.chance(0.6) ? "exclusive" : "shared";
    const waitMs = random.chance(0.3) ? 0 : random.int(1500);
    const ttlMs = principal.kind === "session" ? 0 : 100 + random.int(random.chance(0.5) ? 400 : 3000);
    return { type: "acquire", lock: this.lock(), mode, principal, ttlMs, waitMs };
  }

  private principal(node: string): Principal {
    const kind = this.random.next();
    if (kind < 0.4 && this.session !== undefined) return { kind: "session", id: this.session };
    // Two clients share each owner: re-entry, and requests that wait in one place.
    if (kind < 0.75) return { kind: "owner", name: `owner-${this.id >> 1}` };
    return { kind: "once", id: `${node}/${this.id}-${this.requests}`, node };
  }

  private release({ lock, principal, token, node }: KnownHold): Release {
    const dice = this.random.next();
    const fencingToken = dice < 0.7 ? token : dice < 0.9 ? undefined : token + 1;
    if (principal.kind !== "once") return { type: "release", lock, holder: principal, fencingToken };
    if (dice > 0.85) return { type: "release", lock, holder: { kind: "anonymous", node }, fencingToken };
    return { type: "release", lock, holder: { kind: "onceId", id: principal.id }, fencingToken };
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
