import { describe, expect, test } from "bun:test";
import type { QueueCommand, QueueResult } from "../../../src/queue/commands.ts";
import type { ScheduleState } from "../../../src/queue/views.ts";
import { dueInstant, nextInstantOf } from "../../../src/server/schedules/due-instant.ts";
import { ScheduleFirer } from "../../../src/server/schedules/schedule-firer.ts";
import { message } from "../queue/harness.ts";

const at = (text: string): number => Date.parse(text);

describe("the instant that is due", () => {
  test("is the last that has come, however many were missed", () => {
    const everySecond = nextInstantOf("* * * * * *", "UTC");
    expect(dueInstant(everySecond, at("2026-01-01T00:00:00Z"), at("2026-03-01T00:00:00.500Z"))).toBe(
      at("2026-03-01T00:00:00Z"),
    );
    const nightly = nextInstantOf("0 3 * * *", "Asia/Jakarta");
    // Three in the morning there is eight in the evening the day before.
    expect(dueInstant(nightly, at("2026-01-01T00:00:00Z"), at("2026-01-05T21:00:00Z"))).toBe(
      at("2026-01-05T20:00:00Z"),
    );
    expect(dueInstant(nightly, at("2026-01-05T20:00:00Z"), at("2026-01-06T19:59:59Z"))).toBeUndefined();
    const yearly = nextInstantOf("0 0 1 1 *", "UTC");
    expect(dueInstant(yearly, at("2020-06-01T00:00:00Z"), at("2026-06-01T00:00:00Z"))).toBe(at("2026-01-01T00:00:00Z"));
  });

  test("is one where clocks go back, and comes also on the night on which they go forward", () => {
    const night = nextInstantOf("30 2 * * *", "Europe/Berlin");
    const days = (from: string, to: string): number => {
      let found = 0;
      for (let ms = night(at(from)); ms !== undefined && ms < at(to); ms = night(ms)) found += 1;
      return found;
    };
    expect(days("2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z")).toBe(2);
    expect(days("2026-03-28T12:00:00Z", "2026-03-30T12:00:00Z")).toBe(2);
  });
});

describe("schedules fire", () => {
  const { dedupeId: _, ...tick } = message("tick");

  function firer(missed: "once" | "skip") {
    const state = {
      schedule: { id: "s", cron: "* * * * *", zone: "UTC", missed, message: tick },
      setAtMs: 0,
      firedAtMs: 0,
    };
    const fired: QueueCommand[] = [];
    const answers: (() => QueueResult)[] = [];
    const warned: string[] = [];
    let leads = true;
    const shard = {
      machine: {
        *allSchedules() {
          yield { queue: "q", schedules: [state as ScheduleState] };
        },
      },
      client: {
        submit: async (command: QueueCommand): Promise<QueueResult> => {
          fired.push(command);
          return (answers.shift() ?? (() => ({ type: "counted", count: 1 }) as const))();
        },
        readBarrier: async () => 1,
        close: () => {},
      },
      leads: () => leads,
    };
    const log = { info: () => {}, warn: (_facts: object, text: string) => void warned.push(text), error: () => {} };
    const made = new ScheduleFirer([shard], log as never);
    const look = async (ms: number): Promise<void> => {
      made.tick(ms);
      await Promise.resolve();
      await Promise.resolve();
    };
    const instants = () => fired.map((command) => (command.type === "fireSchedule" ? command.instantMs : 0));
    return { look, instants, answers, warned, state, follow: () => (leads = false) };
  }

  test("each instant once, where this node leads", async () => {
    const { look, instants, follow } = firer("once");
    for (const ms of [59_000, 60_000, 60_250, 119_999, 120_100]) await look(ms);
    expect(instants()).toEqual([60_000, 120_000]);
    follow();
    await look(300_000);
    expect(instants()).toHaveLength(2);
  });

  test("again when they could not, and the log says so", async () => {
    const { look, instants, answers, warned } = firer("once");
    answers.push(() => {
      throw new Error("no leader");
    });
    answers.push(() => ({ type: "error", code: "limit", limit: "maxMessages" }));
    for (const ms of [60_000, 60_250, 60_500, 60_750]) await look(ms);
    expect(instants()).toEqual([60_000, 60_000, 60_000]);
    expect(warned).toHaveLength(1);
  });

  test("what a silence made them miss once, or not at all, as they are set", async () => {
    const [once, skip] = [firer("once"), firer("skip")];
    for (const { look } of [once, skip]) for (const ms of [1_000_000, 1_000_250, 1_020_010]) await look(ms);
    expect(once.instants()).toEqual([960_000, 1_020_000]);
    expect(skip.instants()).toEqual([1_020_000]);
  });

  test("no instant that fired before, whoever led then", async () => {
    const { look, instants, state } = firer("once");
    Object.assign(state, { firedAtMs: 120_000 });
    for (const ms of [120_100, 179_000, 180_000]) await look(ms);
    expect(instants()).toEqual([180_000]);
  });
});
