import { inspectLock, listLocks } from "../../api/locks.ts";
import { limits } from "../../kernel/limits.ts";
import type { LockView, WaitEdge } from "../../locks/types.ts";
import type { ControlGroup, LockStateReader } from "../control-group.ts";
import type { HandlerTools, Register } from "../run.ts";
import { stoppedError } from "../stopped-group.ts";
import { lockOutput, lockState } from "./outputs.ts";

const MAX_WAIT_EDGES = 1000;

/** The operations that read locks: a barrier if asked for, then this node's state in the same turn (PROTOCOLS R4, Q3). */
export function lockReadOperations(register: Register, { group }: HandlerTools): void {
  register(inspectLock, async ({ lock_name: lock, consistency, wait: waitMs, after }, context) => {
    let index = await readIndex(group, consistency);
    if (waitMs !== undefined && after !== undefined && group.state.revision(lock) === after) {
      await group.observe(lock, { after, waitMs, signal: context.signal });
      // No second barrier: this state is later than the one that the first gave.
      index = await readIndex(group, "local");
    }
    return lockOutput(group.state.view(lock), group.leaseTimeMs(), index);
  });

  register(listLocks, async ({ prefix, after, limit, consistency }) => {
    const index = await readIndex(group, consistency);
    const { shown, last } = readPage(group.state, prefix, after, limit);
    const nowMs = group.leaseTimeMs();
    const locks = Object.fromEntries(shown.map((view) => [view.lock, lockState(view, nowMs)]));
    const { nodeId, role, leader } = group.status();
    return {
      node_id: nodeId,
      raft_state: role,
      leader: leader ?? null,
      current_leader: leader ?? null,
      is_leader: role === "leader",
      locks,
      lock_table: locks,
      wait_for_graph: waitForGraph(group.state.waitForGraph(MAX_WAIT_EDGES)),
      ...(last === undefined ? {} : { next: last.lock }),
      as_of_index: index,
    };
  });
}

/** As many locks as asked for, fewer when they have very many waiters; `last` where there are more behind it. */
function readPage(
  state: LockStateReader,
  prefix: string,
  after: string,
  limit: number,
): { readonly shown: readonly LockView[]; readonly last: LockView | undefined } {
  const shown: LockView[] = [];
  let last: LockView | undefined;
  for (let names = 0; ; names += (last?.holders.length ?? 0) + (last?.waiters.length ?? 0)) {
    const [next] = state.page({ prefix, after: last?.lock ?? after, limit: 1 });
    if (next === undefined) return { shown, last: undefined };
    if (shown.length === limit || names >= limits.maxListedNames) return { shown, last };
    shown.push(next);
    last = next;
  }
}

/** The index as of which this node's state may be read now. */
export async function readIndex(group: ControlGroup, consistency: "linearizable" | "local"): Promise<number> {
  if (consistency === "linearizable") return group.readBarrier();
  const { stopped } = group.status();
  // What is known to be wrong, or half changed, is not shown as merely old.
  if (stopped !== undefined) throw stoppedError(stopped);
  return group.state.appliedIndex;
}

function waitForGraph(edges: readonly WaitEdge[]): Record<string, string[]> {
  const graph = new Map<string, Set<string>>();
  for (const { owner, blockedBy } of edges) {
    const targets = graph.get(owner);
    if (targets === undefined) graph.set(owner, new Set([blockedBy]));
    else targets.add(blockedBy);
  }
  // `fromEntries` defines properties, so that an owner named `__proto__` is one.
  return Object.fromEntries([...graph].map(([owner, targets]) => [owner, [...targets]]));
}
