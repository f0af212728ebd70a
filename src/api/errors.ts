/**
 * What a client may be told, with its HTTP status. `definite`: it has not happened and never will;
 * `unknown`: it may have happened, or may yet (PROTOCOLS Q2).
 */
export const errorCodes = {
  bad_request: { status: 400, outcome: "definite", message: "The request is not understood." },
  forbidden: { status: 403, outcome: "definite", message: "The request is not allowed." },
  not_owner: { status: 403, outcome: "definite", message: "The lock is held by somebody else." },
  not_found: { status: 404, outcome: "definite", message: "There is nothing at this path." },
  not_held: { status: 404, outcome: "definite", message: "The lock is not held." },
  session_expired: { status: 404, outcome: "definite", message: "The session is unknown or has expired." },
  unknown_node: { status: 404, outcome: "definite", message: "No node of the cluster has this id." },
  unknown_receipt: {
    status: 404,
    outcome: "definite",
    message: "No message that this ack_token stands for was ever delivered.",
  },
  method_not_allowed: { status: 405, outcome: "definite", message: "This path does not take this method." },
  deadlock: { status: 409, outcome: "definite", message: "Waiting would close a cycle of waiters." },
  upgrade_conflict: {
    status: 409,
    outcome: "definite",
    message: "Shared becomes exclusive only for a sole holder: release the lock first.",
  },
  semaphore_limit: { status: 409, outcome: "definite", message: "The semaphore exists with another limit." },
  permits_conflict: {
    status: 409,
    outcome: "definite",
    message: "Another number of permits is held: release them first.",
  },
  stale_token: { status: 409, outcome: "definite", message: "This fencing token is not the newest one." },
  stale_attempt: {
    status: 409,
    outcome: "definite",
    message: "That delivery has ended: it was acked, returned, or its time was over.",
  },
  transfer_refused: { status: 409, outcome: "definite", message: "Leadership was not handed over." },
  node_exists: { status: 409, outcome: "definite", message: "A node of this id is a member already." },
  last_voter: { status: 409, outcome: "definite", message: "A cluster cannot do without its last node." },
  wrong_cluster: { status: 409, outcome: "definite", message: "This node belongs to another cluster." },
  cancelled: { status: 409, outcome: "definite", message: "The request was cancelled before it was granted." },
  too_large: { status: 413, outcome: "definite", message: "The body is too large." },
  lock_held: { status: 423, outcome: "definite", message: "The lock is held: ask again later." },
  limit: { status: 429, outcome: "definite", message: "A limit has been reached: try again later." },
  internal: { status: 500, outcome: "unknown", message: "Something went wrong inside the node; its log says what." },
  no_leader: {
    status: 503,
    outcome: "definite",
    message: "No leader with a quorum was reached: nothing has happened.",
  },
  group_stopped: {
    status: 503,
    outcome: "definite",
    message: "The node keeps its log and serves nothing: ask another one.",
  },
  store_unavailable: {
    status: 503,
    outcome: "definite",
    message: "The store of the queues is not reached: nothing has happened.",
  },
  change_under_way: {
    status: 503,
    outcome: "definite",
    message: "Another change of the cluster's nodes is under way: try again when it is done.",
  },
  quorum_at_risk: {
    status: 503,
    outcome: "definite",
    message: "Too few of the nodes that would remain are connected: without this one they could agree on nothing.",
  },
  feature_level: {
    status: 503,
    outcome: "definite",
    message: "Not every node runs a version that knows how: upgrade them first.",
  },
  backup_under_way: {
    status: 409,
    outcome: "definite",
    message: "This node is giving a backup already: wait for its end, or ask another node.",
  },
  backup_failed: { status: 503, outcome: "definite", message: "This node could not make a backup: ask another one." },
  not_ready: { status: 503, outcome: "definite", message: "The node does not take requests yet." },
  disk_full: {
    status: 507,
    outcome: "definite",
    message: "The disks of too many nodes are full: nothing has happened. Make room on them.",
  },
  store_full: {
    status: 507,
    outcome: "definite",
    message: "The store of the queues takes no more: nothing has happened. Consume, purge, or give it more room.",
  },
  outcome_unknown: {
    status: 504,
    outcome: "unknown",
    message: "The end of the request was not seen in time: it may have taken effect, or may yet.",
  },
} as const satisfies Record<string, ErrorMeaning>;

export interface ErrorMeaning {
  readonly status: number;
  readonly outcome: "definite" | "unknown";
  readonly message: string;
}

export type ErrorCode = keyof typeof errorCodes;
export type ErrorStatus = (typeof errorCodes)[ErrorCode]["status"];

/** The body of every reply that is not a success. `detail` repeats the message where clients of the older system look. */
export interface ErrorBody {
  readonly detail: string;
  readonly error: {
    readonly code: ErrorCode;
    readonly message: string;
    readonly details?: Readonly<Record<string, unknown>>;
  };
}

/** An expected end of an operation that is not its success: made by handlers, shown to clients as it stands. */
export class ApiError extends Error {
  override name = "ApiError";
  readonly details: Readonly<Record<string, unknown>> | undefined;

  constructor(
    readonly code: ErrorCode,
    options: { readonly message?: string; readonly details?: Readonly<Record<string, unknown>> } = {},
  ) {
    // Thousands of these a second under contention, none ever printed: the walk of the stack would be pure cost.
    const depth = Error.stackTraceLimit;
    Error.stackTraceLimit = 0;
    super(options.message ?? errorCodes[code].message);
    Error.stackTraceLimit = depth;
    this.details = options.details;
  }

  get status(): ErrorStatus {
    return errorCodes[this.code].status;
  }

  body(): ErrorBody {
    const { code, message, details } = this;
    return { detail: message, error: details === undefined ? { code, message } : { code, message, details } };
  }
}
