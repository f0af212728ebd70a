import type { PeerMessage } from "../../src/engine/peer-messages.ts";
import type { Message, PreVoteRequest, VoteRequest } from "../../src/raft/types.ts";

/** Changes what Raft says, and nothing else. */
export function raftOnly(change: (message: Message) => Message): (message: PeerMessage) => PeerMessage {
  return (message) => (message.type === "raft" ? { type: "raft", message: change(message.message) } : message);
}

/** Its sender has everything, so it says. */
export function withLongLog<Request extends VoteRequest | PreVoteRequest>(request: Request): Request {
  return { ...request, lastIndex: 1_000_000, lastTerm: 60_000 };
}

/** Of a run, so that at its end some leader stays: where disks are slow, nothing is committed between two such words. */
const HASTY_TERMS = 30;

/** Now and then a heartbeat becomes the word to stand for election. */
export function hastyTransfer(message: Message): Message {
  if (message.type !== "heartbeat" || message.round % 8 !== 7 || message.term > HASTY_TERMS) return message;
  const { group, from, to, term } = message;
  return { type: "timeoutNow", group, from, to, term };
}
