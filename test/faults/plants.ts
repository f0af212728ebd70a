import { GroupHost } from "../../src/engine/group-host.ts";
import type { PeerMessage } from "../../src/engine/peer-messages.ts";
import { decodeCommand, encodeCommand } from "../../src/locks/codec.ts";
import type { LockWish } from "../../src/locks/types.ts";
import type { Message, PreVoteRequest, VoteRequest } from "../../src/raft/types.ts";
import { viewOf, Workload } from "../../src/sim/workload.ts";
import type { Volume } from "../../src/wal/volume.ts";
import { forgetsPlaces, grantsNameByName, meddling, overtakesBundles, reusesPermitTokens } from "./lock-states.ts";
import { BoastfulLog, CarelessLog, EarlyLog, ForgetfulLog } from "./logs.ts";
import { diesUnseen, executingTwice, meansDeath, poisoned, skipping, withApply } from "./machines.ts";
import { patch } from "./patch.ts";
import type { Plant } from "./plant.ts";
import { repairPlants } from "./repairs.ts";

/** All logs of a run reach it, nearly always. */
const POISON_INDEX = 30;

/** Every planted fault by name: each must be found, or the checks are not worth their time. */
export const plants: Readonly<Record<string, Plant>> = {
  ...repairPlants,
  "lying-disk": {
    breaks: "D5: a sync returns before the disk has the bytes",
    volume: lyingVolume,
  },
  "early-durable": {
    breaks: "D1, D2: a flush counts as durable when it begins",
    log: (log) => new EarlyLog(log),
  },
  "boastful-disk": {
    breaks: "D2, D9: on a full disk entries are acknowledged that were not written",
    log: (log) => new BoastfulLog(log),
  },
  "unbounded-disk": {
    breaks: "D9: entries are taken without room for them, and hold up terms and votes",
    log: (log) => new CarelessLog(log),
  },
  "forgotten-vote": {
    breaks: "D1: the vote of a term is forgotten by a restart",
    log: (log) => new ForgetfulLog(log),
  },
  "wiped-disk": {
    breaks: "M1: a node comes back with an empty disk under its old identity",
    wipes: true,
  },
  "overclaiming-reply": {
    breaks: "D2: an append reply claims one entry more than the node has",
    message: raftOnly((message) => {
      return message.type === "appendReply" && message.success ? { ...message, index: message.index + 1 } : message;
    }),
  },
  "votes-for-short-logs": {
    breaks: "Raft §5.4.1: votes go to candidates whose log is behind",
    message: raftOnly((message) => {
      if (message.type !== "voteRequest" && message.type !== "preVoteRequest") return message;
      return withLongLog(message);
    }),
  },
  "hasty-transfer": {
    breaks: "thesis §3.10: leaders tell followers to lead whether or not these are behind, again and again",
    message: raftOnly(hastyTransfer),
    harmless: true,
  },
  "favoured-transfer": {
    breaks: "Raft §5.4.1: a vote that the leader asked for goes to a candidate whose log is behind",
    message: raftOnly((message) => {
      const sent = hastyTransfer(message);
      return sent.type === "voteRequest" && sent.transfer === true ? withLongLog(sent) : sent;
    }),
  },
  "grants-every-vote": {
    breaks: "Raft §5.2: a replica grants every vote that it is asked for",
    message: raftOnly((message) => (message.type === "voteReply" ? { ...message, granted: true } : message)),
  },
  "commits-unmatched": {
    breaks: "R2: a heartbeat commits what the follower may hold of another leader",
    message: raftOnly((message) => {
      return message.type === "heartbeat" ? { ...message, commitIndex: message.commitIndex + 3 } : message;
    }),
  },
  "racing-lease-time": {
    breaks: "T1: lease time runs faster than the leader's clock",
    message: raftOnly((message) => {
      return message.type === "heartbeat" ? { ...message, leaseTimeMs: message.leaseTimeMs * 2 } : message;
    }),
  },
  "expires-by-local-clock": {
    breaks: "T2: a replica expires leases by its own clock",
    machine: (machine, { localMs }) =>
      withApply(machine, (entry, emit) => {
        machine.apply(entry.kind === "time" ? { ...entry, leaseTimeMs: Math.floor(localMs()) } : entry, emit);
      }),
  },
  "token-is-log-index": {
    breaks: "L2: the fencing token is the index of the entry",
    machine: (machine) =>
      withApply(machine, (entry, emit) => {
        machine.apply(entry, (outcome) => {
          const { result } = outcome;
          emit(result?.type === "granted" ? { ...outcome, result: { ...result, fencingToken: entry.index } } : outcome);
        });
      }),
  },
  "shared-slot-token": {
    breaks: "L2: two grants of one slot share a token",
    machine: (machine) => meddling(machine, reusesPermitTokens()),
  },
  "lock-of-many": {
    breaks: "L6: of the locks of a multi-lock the first is held, and all are said to be",
    machine: (machine) =>
      withApply(machine, (entry, emit) => {
        const cut = entry.kind === "command" ? firstLockOnly(entry.payload) : undefined;
        machine.apply(cut === undefined ? entry : { ...entry, payload: cut.payload }, (outcome) => {
          const { result } = outcome;
          if (result?.type !== "grantedAll" || cut === undefined) return emit(outcome);
          const grants = cut.locks.flatMap((lock) => result.grants.map((grant) => ({ ...grant, ...lock })));
          emit({ ...outcome, result: { ...result, grants } });
        });
      }),
  },
  "name-by-name": {
    breaks: "L6: a multi-lock that waits holds what it can have already",
    machine: (machine) => meddling(machine, grantsNameByName),
  },
  "overtaken-bundle": {
    breaks: "L6: a lock that is free goes past a multi-lock that waits for it and for others",
    machine: (machine) => meddling(machine, overtakesBundles),
  },
  "forgotten-place": {
    breaks: "L5: a semaphore forgets who came first",
    machine: (machine) => meddling(machine, forgetsPlaces),
  },
  "forgets-operations": {
    breaks: "Q1: an operation that is proposed twice is executed twice",
    machine: (machine) => executingTwice(machine),
  },
  "poison-entry": {
    breaks: "R7: the state machine throws for an entry, after it has changed something",
    machine: (machine, { upgraded }) => (upgraded ? machine : poisoned(machine, POISON_INDEX)),
    meansDeath,
    poisonIndex: POISON_INDEX,
    harmless: true,
  },
  "deadly-entry": {
    breaks: "R7: an entry kills the process that applies it, which can leave no word",
    machine: (machine, { upgraded }) => (upgraded ? machine : poisoned(machine, POISON_INDEX)),
    journal: diesUnseen,
    meansDeath,
    poisonIndex: POISON_INDEX,
    harmless: true,
  },
  "diverging-replica": {
    breaks: "R8: one replica loses the effect of an entry",
    machine: (machine, { node }) => (node === 2 ? skipping(machine, 20) : machine),
    comparesNothing: true,
  },
  "diverging-replicas": {
    breaks: "R8: every replica loses the effect of another entry",
    machine: (machine, { node }) => skipping(machine, 20 + node),
    comparesNothing: true,
  },
  "local-reads": {
    breaks: "R4: a read is answered from local state without asking the leader",
    patches: [
      patch(
        GroupHost.prototype,
        GroupHost.prototype.readBarrier,
        () =>
          function readBarrier(_nowMs, done) {
            done(this.raft.log.appliedIndex);
          },
      ),
    ],
  },
  "early-look": {
    breaks: "R4: a read answers with what it saw before the leader was asked, and says that it is newer",
    patches: [
      patch(
        Workload.prototype,
        Workload.prototype["look"],
        () =>
          function look({ host, engine, locks }, name, told) {
            const view = viewOf(locks, name);
            host.readBarrier(engine.nowMs(), (index) => told(index, view));
          },
      ),
    ],
  },
  "guessed-refusal": {
    breaks: "Q2: an unknown outcome is reported as a refusal",
    patches: [
      patch(
        Workload.prototype,
        Workload.prototype["unknown"],
        (original) =>
          function unknown(attempt) {
            this["refused"](attempt);
            original.call(this, attempt);
          },
      ),
    ],
  },
};

/** The multi-lock as if its first lock were all of it; undefined for any other command. */
function firstLockOnly(
  payload: Uint8Array,
): { readonly payload: Uint8Array; readonly locks: readonly LockWish[] } | undefined {
  const envelope = decodeCommand(payload);
  const { command } = envelope;
  if (command.type !== "acquireAll") return undefined;
  const locks = command.locks.slice(0, 1);
  return { payload: encodeCommand({ ...envelope, command: { ...command, locks } }), locks: command.locks };
}

function raftOnly(change: (message: Message) => Message): (message: PeerMessage) => PeerMessage {
  return (message) => (message.type === "raft" ? { type: "raft", message: change(message.message) } : message);
}

function withLongLog<Request extends VoteRequest | PreVoteRequest>(request: Request): Request {
  return { ...request, lastIndex: 1_000_000, lastTerm: 60_000 };
}

function hastyTransfer(message: Message): Message {
  if (message.type !== "heartbeat" || message.round % 8 !== 7) return message;
  const { group, from, to, term } = message;
  return { type: "timeoutNow", group, from, to, term };
}

function lyingVolume(volume: Volume): Volume {
  return {
    list: () => volume.list(),
    size: (name) => volume.size(name),
    read: (name, offset, length) => volume.read(name, offset, length),
    write: (name, offset, bytes) => volume.write(name, offset, bytes),
    sync: (_name, done) => done(),
    create: (name, size, done) => volume.create(name, size, done),
    remove: (name, done) => volume.remove(name, done),
  };
}
