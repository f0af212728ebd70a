import type { Fields } from "./history.ts";
import type { Request } from "./requests.ts";

/** One of several locks, as it is asked for. */
export interface Wanted {
  readonly name: string;
  readonly lock_type?: string;
}

/** The locks that a request for one or several names. */
export function wantedBy({ operation, input }: Pick<Request, "operation" | "input">): readonly Wanted[] {
  if (operation === "locks.acquireAll") return input["locks"] as readonly Wanted[];
  return operation === "locks.acquire" ? [{ name: String(input["lock_name"]) }] : [];
}

/**
 * A request for several locks as one for each of them: what is true of a grant of one lock is true of each. A refusal is
 * not: it says something of one of them (see {@link isPart}).
 */
export function partsOf(request: Request): Request[] {
  if (request.operation !== "locks.acquireAll") return [request];
  const { locks: _locks, ...input } = request.input;
  return wantedBy(request).flatMap(({ name, lock_type = "exclusive" }) => {
    const part = {
      ...request,
      operation: "locks.acquire" as const,
      input: { ...input, lock_name: name, lock_type },
    };
    if (request.outcome !== "ok") return [part];
    const { locks, ...output } = request.output;
    const given = (locks as readonly Fields[]).find(({ lock_name }) => lock_name === name);
    return given === undefined ? [] : [{ ...part, output: { ...output, ...given } }];
  });
}

/** One of several that were asked for together. */
export function isPart({ attempts }: Request): boolean {
  return attempts[0]?.operation === "locks.acquireAll";
}
