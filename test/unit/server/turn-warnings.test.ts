import { expect, test } from "bun:test";
import type { LongTurn } from "../../../src/engine/turn-watch.ts";
import { TurnWarnings } from "../../../src/server/turn-warnings.ts";

const turn: LongTurn = {
  ...{ durationMs: 33.4, phase: "flush", phaseMs: 30.2 },
  ...{ messages: 3, flushedEntries: 40, appliedEntries: 39 },
};

test("a turn that takes too long is warned of every ten seconds at most, with what was left unsaid", () => {
  const warned: object[] = [];
  let nowMs = 0;
  const log = { debug() {}, info() {}, error() {}, warn: (fields: object) => void warned.push(fields) };
  const warnings = new TurnWarnings(log, () => nowMs);
  for (nowMs = 0; nowMs <= 20_000; nowMs += 1_000) warnings.warn(turn);
  const said = { durationMs: 33, phase: "flush", phaseMs: 30, messages: 3, flushedEntries: 40, appliedEntries: 39 };
  expect(warned).toEqual([said, { ...said, unsaid: 9 }, { ...said, unsaid: 9 }]);
});
