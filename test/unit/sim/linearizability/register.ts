import type { Model, Operation } from "../../../../src/sim/checks/linearizability/model.ts";

type RegisterInput =
  | { readonly type: "write"; readonly value: number }
  | { readonly type: "read" }
  | { readonly type: "swap"; readonly from: number; readonly to: number };
/** What was read; whether it was swapped. */
type RegisterOutput = number | boolean;
export type RegisterOperation = Operation<RegisterInput, RegisterOutput>;

/** A register that begins with 0. */
export const registerModel: Model<number, RegisterInput, RegisterOutput> = {
  initial: 0,
  step(value, { input, output }) {
    if (input.type === "write") return [input.value];
    if (input.type === "read") return output === undefined || output === value ? [value] : [];
    const swapped = value === input.from;
    return output === undefined || output === swapped ? [swapped ? input.to : value] : [];
  },
  key: String,
  observes: ({ input }) => input.type === "read",
  show: String,
  tell: ({ input, output }) => `${JSON.stringify(input)} ${String(output)}`,
};

export const never = Number.POSITIVE_INFINITY;

export function write(value: number, invokedUs: number, returnedUs: number): RegisterOperation {
  const output = returnedUs === never ? undefined : true;
  return { input: { type: "write", value }, output, invokedUs, returnedUs };
}

export function read(value: number, invokedUs: number, returnedUs: number): RegisterOperation {
  return { input: { type: "read" }, output: value, invokedUs, returnedUs };
}

export function swap(from: number, to: number, swapped: boolean, invokedUs: number, returnedUs: number) {
  const output = returnedUs === never ? undefined : swapped;
  const operation: RegisterOperation = { input: { type: "swap", from, to }, output, invokedUs, returnedUs };
  return operation;
}
