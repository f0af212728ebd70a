import type { Model, Operation } from "./model.ts";

/** What is asked of one session, or in its name. */
export type SessionInput =
  | { readonly type: "open"; readonly leaseUs: number }
  /** A renewal, or a grant, which is one. */
  | { readonly type: "renew" }
  | { readonly type: "close" }
  /** Anything else whose answer shows whether the session lives. */
  | { readonly type: "use" };
export type SessionOutput = "done" | "expired";

interface SessionState {
  readonly alive: boolean;
  readonly leaseUs: number;
  /** Of a living one: it may end at any time from then on, and not before. */
  readonly untilUs: number;
}

const ended: SessionState = { alive: false, leaseUs: 0, untilUs: 0 };

/** A session lives from its opening until it is closed, or until at least its TTL has passed since its last renewal was asked for. */
export const sessionModel: Model<SessionState, SessionInput, SessionOutput> = {
  initial: ended,
  step(state, operation, nowUs) {
    const { output } = operation;
    if (output === "expired") {
      if (!state.alive) return [state];
      return state.untilUs <= nowUs ? [ended] : [];
    }
    return output === undefined ? unknown(state, operation) : done(state, operation);
  },
  key: ({ alive, leaseUs, untilUs }, nowUs) => (alive ? `${leaseUs}/${untilUs <= nowUs ? "due" : untilUs}` : ""),
  observes: ({ input, output }) => input.type === "use" || output === "expired",
  show: ({ alive, untilUs }) => (alive ? `lives until ${untilUs} µs at least` : "ended"),
  tell: ({ input, output }) => `${input.type}: ${output ?? "unknown outcome"}`,
};

type SessionOperation = Operation<SessionInput, SessionOutput>;

function done(state: SessionState, { input, invokedUs }: SessionOperation): readonly SessionState[] {
  if (input.type === "open") return [{ alive: true, leaseUs: input.leaseUs, untilUs: invokedUs + input.leaseUs }];
  if (!state.alive) return [];
  if (input.type === "close") return [ended];
  if (input.type === "use") return [state];
  return [{ ...state, untilUs: Math.max(state.untilUs, invokedUs + state.leaseUs) }];
}

/** A longer lease than is known of would forbid nothing. */
function unknown(state: SessionState, { input, invokedUs }: SessionOperation): readonly SessionState[] {
  if (input.type === "close" && state.alive) return [ended];
  if (input.type !== "open") return [];
  const { leaseUs } = input;
  if (!state.alive) return [{ alive: true, leaseUs, untilUs: invokedUs + leaseUs }];
  const untilUs = Math.min(state.untilUs, invokedUs + leaseUs);
  return [{ alive: true, leaseUs, untilUs }];
}
