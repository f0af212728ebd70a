import type { QueueMachine } from "../../queue/queue-machine.ts";
import type { ScheduleState } from "../../queue/views.ts";
import type { Logger } from "../running-node.ts";
import type { QueueShard } from "../queue-shard.ts";
import { dueInstant, type NextInstant, nextInstantOf } from "./due-instant.ts";

export interface FiredShard extends Pick<QueueShard, "client"> {
  readonly machine: Pick<QueueMachine, "allSchedules">;
  /** This node leads it, and has applied all that came before. */
  leads(): boolean;
}

/** A schedule that does not make up for what it missed fires no later than this after its instant: a new leader takes that long. */
const SKIP_AFTER_MS = 10_000;

interface Known {
  readonly cron: string;
  readonly zone: string;
  readonly next: NextInstant;
  /** Instants up to here are done with. */
  sinceMs: number;
  /** Nothing is due before; looked up once for each instant. */
  notBeforeMs: number;
  firing: boolean;
}

/**
 * Proposes what schedules are due of the shards that this node leads (PROTOCOLS T3). Whoever leads knows calendars; that an instant fires once
 * is the state machine's: of two leaders that propose it the second is told so.
 */
export class ScheduleFirer {
  private readonly known = new Map<string, Known>();

  constructor(
    private readonly shards: readonly FiredShard[],
    private readonly log: Logger,
  ) {}

  /** @param wallMs now */
  tick(wallMs: number): void {
    for (const shard of this.shards) {
      if (!shard.leads()) continue;
      for (const { queue, schedules } of shard.machine.allSchedules()) {
        for (const state of schedules) this.look(shard, queue, state, wallMs);
      }
    }
  }

  private look(shard: FiredShard, queue: string, state: ScheduleState, wallMs: number): void {
    const known = this.knownOf(queue, state);
    if (known === undefined || known.firing || wallMs < known.notBeforeMs) return;
    const due = dueInstant(known.next, known.sinceMs, wallMs);
    known.notBeforeMs = due === undefined ? (known.next(known.sinceMs) ?? Number.POSITIVE_INFINITY) : 0;
    if (due === undefined) return;
    if (state.schedule.missed === "skip" && wallMs - due > SKIP_AFTER_MS) {
      known.sinceMs = due;
      return;
    }
    known.firing = true;
    const command = { type: "fireSchedule", queue, id: state.schedule.id, instantMs: due } as const;
    shard.client.submit(command).then(
      (result) => {
        known.firing = false;
        // Over a limit it fires when there is room: the last instant of those that came meanwhile.
        if (result.type === "counted") known.sinceMs = Math.max(known.sinceMs, due);
      },
      (error: unknown) => {
        known.firing = false;
        this.log.warn(
          { queue, schedule: state.schedule.id, error: String(error) },
          "a schedule could not fire: tried again",
        );
      },
    );
  }

  private knownOf(queue: string, { schedule, setAtMs, firedAtMs }: ScheduleState): Known | undefined {
    const { id, cron, zone } = schedule;
    const key = `${queue}\n${id}`;
    let known = this.known.get(key);
    const sinceMs = Math.max(setAtMs, firedAtMs);
    if (known?.cron !== cron || known.zone !== zone) {
      known = { cron, zone, next: readNext(cron, zone), sinceMs, notBeforeMs: 0, firing: false };
      this.known.set(key, known);
    }
    if (sinceMs > known.sinceMs) {
      known.sinceMs = sinceMs;
      known.notBeforeMs = 0;
    }
    return known;
  }
}

/** What another version has let in, and this one cannot read, never fires here. */
function readNext(cron: string, zone: string): NextInstant {
  try {
    return nextInstantOf(cron, zone);
  } catch {
    return () => undefined;
  }
}
