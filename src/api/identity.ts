import { Owner, SessionId, Ttl } from "./names.ts";

/** Who asks, or whose hold it is: a session, or an owner's name, or neither (PROTOCOLS L1). */
export const identity = { owner: Owner.optional(), session: SessionId.optional() };

/** The same with how long a hold of its own lives. Absent: 30 s, or the session's own. */
export const leaseholder = { ...identity, ttl: Ttl.optional() };

/** For `refine`: identity is one thing. */
export const oneIdentity = {
  check: (input: { readonly owner?: string | undefined; readonly session?: string | undefined }) =>
    input.owner === undefined || input.session === undefined,
  params: { error: "`session` and `owner` exclude each other", path: ["session"] },
};

/** For `refine`: a hold lives by its session or by itself. */
export const oneLease = {
  check: (input: { readonly ttl?: number | undefined; readonly session?: string | undefined }) =>
    input.ttl === undefined || input.session === undefined,
  params: { error: "a session's holds live by the session: `ttl` and `session` exclude each other", path: ["ttl"] },
};
