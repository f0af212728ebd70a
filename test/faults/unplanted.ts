import type { Classic } from "./classics.ts";

/** Why nothing is planted for a rule: by what in the simulator, or in the code, it cannot be broken there. */
export const unplantedRules: Readonly<Record<string, string>> = {
  D6: "Runs with queues have two groups in a log; a segment that goes while one of them needs it is not planted yet.",
  R3: "Runs with queues have two groups in a frame; heartbeats that count for the wrong one are not planted yet.",
};

/** The same for bugs that others have had. */
export const unplantedClassics: Readonly<Partial<Record<Classic, string>>> = {
  "corruption spreads from a bad leader":
    "What a leader reads back is checked frame by frame and index by index: `believed-misread` breaks that.",
};
