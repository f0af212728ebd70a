import type { Classic } from "./classics.ts";

/** Why nothing is planted for a rule: by what in the simulator, or in the code, it cannot be broken there. */
export const unplantedRules: Readonly<Record<string, string>> = {
  D6: "A simulated node has one group, so none holds back a segment that another one lets go.",
  R3: "A node leads one group, so no frame lists the heartbeats of several.",
  R6: "There is one group, which no ring places.",
};

/** The same for bugs that others have had. */
export const unplantedClassics: Readonly<Partial<Record<Classic, string>>> = {
  "corruption spreads from a bad leader":
    "What a leader reads back is checked frame by frame and index by index: `believed-misread` breaks that.",
};
