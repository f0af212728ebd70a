import type { Model, Operation } from "./model.ts";

/** A token offered to one resource. */
export type FenceInput = number;
/** The largest so far, which the answer shows: accepted if it is the one offered. */
export type FenceOutput = number;

/** A fence is a max-register (PROTOCOLS L3). */
export const fenceModel: Model<number, FenceInput, FenceOutput> = {
  initial: -1,
  step(highest, { input, output }) {
    const next = Math.max(highest, input);
    return output === undefined || output === next ? [next] : [];
  },
  key: String,
  observes: () => true,
  show: (highest) => (highest < 0 ? "nothing offered" : `highest ${highest}`),
  tell: ({ input, output }: Operation<FenceInput, FenceOutput>) => `offers ${input}: ${output ?? "unknown outcome"}`,
};
