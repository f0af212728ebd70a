import { defaultTtlMs } from "../../api/names.ts";
import type { LockCommand, Principal } from "../../locks/types.ts";
import type { HandlerTools } from "../run.ts";

const OWNER = "owner:";
const ONCE = "once_";

/** Whose hold is meant: a principal, or a hold taken without one. */
export type Holder = Extract<LockCommand, { type: "release" }>["holder"];

interface Identity {
  readonly owner?: string | undefined;
  readonly session?: string | undefined;
}

/** Who asks for a lock (PROTOCOLS L1), and how long a hold of its own lives. */
export function claimOf(
  { owner, session, ttl }: Identity & { readonly ttl?: number | undefined },
  { group, randomId }: HandlerTools,
): { readonly principal: Principal; readonly ttlMs: number } {
  if (session !== undefined) return { principal: { kind: "session", id: session }, ttlMs: 0 };
  const ttlMs = ttl ?? defaultTtlMs;
  if (owner !== undefined) return { principal: { kind: "owner", name: owner }, ttlMs };
  return { principal: { kind: "once", id: ONCE + randomId(), node: group.nodeId }, ttlMs };
}

/** `session` may be what a grant gave as such: of an owner or of a one-shot request, too. */
export function holderOf({ owner, session }: Identity, node: string): Holder {
  if (owner !== undefined) return { kind: "owner", name: owner };
  if (session === undefined) return { kind: "anonymous", node };
  if (session.startsWith(OWNER)) return { kind: "owner", name: session.slice(OWNER.length) };
  if (session.startsWith(ONCE)) return { kind: "onceId", id: session };
  return { kind: "session", id: session };
}
