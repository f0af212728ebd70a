import type { SimOptions } from "../../src/sim/run-seed.ts";

/** A run that failed once, and what it found. */
interface RecordedSeed extends SimOptions {
  readonly found: string;
}

/**
 * Every seed that ever failed: always run. A change of the simulator makes another run of a seed; the entry then only
 * keeps the story, and a unit test keeps the defect away.
 */
export const recordedSeeds: readonly RecordedSeed[] = [
  { seed: 28, found: "checks: a session's place in a queue outlives the process that asked for it" },
  { seed: 31, found: "checks: a retry by idempotency key does not renew the session" },
  { seed: 35, found: "checks: a vote that was never durable may be forgotten" },
  { seed: 185, found: "checks: an error that the disk makes after the last fault ends the node once more" },
  { seed: 2, nodes: 1, found: "checks: a lone node may lead the same term twice, if nothing of it became durable" },
  { seed: 10703, found: "checks: a keepalive is executed again under the same idempotency key" },
  {
    seed: 104513,
    found: "checks: a place that a session's former process left may upgrade what the session was granted",
  },
  {
    seed: 207264,
    found: "D2: an answer to an old leader claimed entries that were truncated before they were written",
  },
  { seed: 108315, found: "checks: a network that goes on to lose frames may lose one request at every try" },
  { seed: 91, nodes: 1, found: "checks: a lease runs while a slow disk makes the entry durable that granted it" },
  { seed: 300491, found: "checks: a paused node may meet a crash from before the last fault ended" },
  { seed: 1461, found: "checks: a retry by idempotency key waits where an attempt that was cancelled did" },
  {
    seed: 4963,
    found: "checks: what a place without a process was granted makes the next answer of the same step a re-entry",
  },
  { seed: 3285, found: "Q1: permits asked for again after a restoration were answered with another order of fields" },
  {
    seed: 44329,
    found: "checks: a grant to a place without a process is given back by the cancel of who had joined it",
  },
  { seed: 18, found: "a snapshot that was made again was deleted as the damaged one whose name it has" },
  { seed: 32642, found: "checks: a disk error of a node that did not run outlived the end of all faults" },
  { seed: 21208, found: "a piece of a snapshot came in the turn in which the disk had failed under it: an assertion" },
  { seed: 12650, found: "checks: a session has two places in a queue that a former process left" },
  { seed: 500719, found: "checks: a read that was to go astray outlived the end of all faults" },
  { seed: 512457, found: "checks: the copy of term and vote that was to stay whole had not been durable" },
  {
    seed: 55,
    found: "R5: who joined took a snapshot that said that nobody belongs to the group, which nobody could read",
  },
  {
    seed: 300,
    found: "R5, D7: a node was removed while one of the two that remained was under repair, and nobody could lead",
  },
  { seed: 73, found: "checks: a lone voter needs no answers, and what it confirmed so stays when another one counts" },
  { seed: 314, found: "checks: a change of the members is not held to the bound on what is not committed" },
  { seed: 31651, found: "checks: a node was refused a place at the second try, and got one by the first" },
  { seed: 521974, found: "checks: with one entry on its way at a time a request may take longer than it waits" },
  { seed: 300988, found: "checks: frames that take longer than an election timeout after the last fault" },
  { seed: 202965, found: "checks: a removed node whose former peers have all left is told by nobody" },
  {
    seed: 1001685,
    found: "checks: a session's places in several queues go together, whatever it is granted meanwhile",
  },
  { seed: 2003046, found: "checks: others may count when a request for votes leaves than when it was decided on" },
  { seed: 211248, found: "checks: two processes of a node asked under the same number" },
  {
    seed: 4002171,
    found: "checks: a bit of the log flipped whose next flush, which would have shown it, was not durable",
  },
  { seed: 3004073, found: "checks: a leader told nobody of several rounds that were confirmed in its last turn" },
  {
    seed: 50,
    queues: true,
    found: "R7: receivers of a process that was gone ended in another order where the state had come in a snapshot",
  },
  {
    seed: 22,
    queues: true,
    found: "R6: a new leader of a shard took a node in again that the shard had let go of before the cluster did",
  },
  {
    seed: 1012,
    queues: true,
    found:
      "R6: who led the cluster took what it knew of a shard, which it did not belong to yet, for the shard as it was",
  },
  {
    seed: 1008,
    queues: true,
    found: "checks: what is out by default to a client that has forgotten it comes back late",
  },
  { seed: 637, queues: true, found: "checks: a node that is behind stops before what takes it in has committed" },
  { seed: 623, queues: true, found: "checks: a node that was whole again had not made it durable when its power went" },
  { seed: 84, queues: true, found: "checks: a replica that a shard let go of, and the cluster did not, comes back" },
];
