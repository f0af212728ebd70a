import type { Model, Operation } from "../../../../src/sim/checks/linearizability/model.ts";

/**
 * Whether there is a linearization, by trying every order of every choice of unknown outcomes. It shares nothing with the
 * search but the model, and is good for some seven operations.
 */
export function isLinearizable<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
): boolean {
  return continues(model, model.initial, operations);
}

function continues<State, Input, Output>(
  model: Model<State, Input, Output>,
  state: State,
  left: readonly Operation<Input, Output>[],
): boolean {
  // Those of unknown outcome may never happen.
  if (left.every(({ output }) => output === undefined)) return true;
  const nowUs = Math.min(...left.map(({ returnedUs }) => returnedUs));
  return left.some((operation) => {
    const overtaken = left.some((other) => other.returnedUs < operation.invokedUs);
    if (overtaken) return false;
    const others = left.filter((other) => other !== operation);
    return model.step(state, operation, nowUs).some((next) => continues(model, next, others));
  });
}
