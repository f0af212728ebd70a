/** A method of a class of production, to be replaced by another for the length of one run. */
export interface Patch {
  /** @returns what puts the class back as it was */
  readonly apply: () => () => void;
}

/**
 * So production code needs no switch for a fault to be planted in it.
 *
 * @param prototype of the class
 * @param method of it as it is: `patch(Raft.prototype, Raft.prototype["campaign"], …)` names what need not be public
 * @param make called at the start of every run. What it returns takes the method's place
 */
export function patch<Instance extends object, Inputs extends readonly unknown[], Output>(
  prototype: Instance,
  method: (...inputs: Inputs) => Output,
  make: (original: (this: Instance, ...inputs: Inputs) => Output) => (this: Instance, ...inputs: Inputs) => Output,
): Patch {
  return {
    apply() {
      const original = Object.getOwnPropertyDescriptor(prototype, method.name);
      if (original?.value !== method) throw new Error(`the class has no method ${method.name} of its own`);
      Object.defineProperty(prototype, method.name, { ...original, value: make(method) });
      return () => Object.defineProperty(prototype, method.name, original);
    },
  };
}

/** As {@link patch}, of a getter. */
export function patchGetter<Instance extends object, Output>(
  prototype: Instance,
  name: string,
  make: (original: (this: Instance) => Output) => (this: Instance) => Output,
): Patch {
  return {
    apply() {
      const original = Object.getOwnPropertyDescriptor(prototype, name);
      if (original?.get === undefined) throw new Error(`the class has no getter ${name} of its own`);
      const { get } = original;
      Object.defineProperty(prototype, name, { ...original, get: make(get as (this: Instance) => Output) });
      return () => Object.defineProperty(prototype, name, original);
    },
  };
}

/** Runs `work` with the patches in place. */
export function withPatches<Output>(patches: readonly Patch[], work: () => Output): Output {
  const undo: (() => void)[] = [];
  try {
    for (const each of patches) undo.push(each.apply());
    return work();
  } finally {
    for (const back of undo.reverse()) back();
  }
}
