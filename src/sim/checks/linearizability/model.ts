/** Something that a client did to one object, and what it was told. Times in µs of one clock, whichever. */
export interface Operation<Input, Output> {
  readonly input: Input;
  /** Undefined for an unknown outcome. */
  readonly output: Output | undefined;
  /** Before it was asked. */
  readonly invokedUs: number;
  /** When the answer was known. Infinite for an unknown outcome: it may take effect at any later time, or never. */
  readonly returnedUs: number;
}

/** What an object may do when one operation comes after the other. States are values: a step makes a new one. */
export interface Model<State, Input, Output> {
  readonly initial: State;
  /**
   * The states after the operation: none when it cannot end as it did, several when the object may choose, `state` itself when
   * nothing changes. Of an unknown outcome those after each way in which it may have taken effect.
   *
   * @param nowUs the latest time at which it can have taken effect here: what is due by then may have happened before it
   */
  step(state: State, operation: Operation<Input, Output>, nowUs: number): readonly State[];
  /**
   * Equal exactly for states that nothing can tell apart from `nowUs` on. A state is looked up by it, so that it is searched
   * once, however it came about.
   */
  key(state: State, nowUs: number): string;
  /**
   * True for an operation that, where it leaves the state as it is, may as well come at once: whatever could follow
   * without it can follow after it.
   */
  observes(operation: Operation<Input, Output>): boolean;
  /** For people. */
  show(state: State): string;
  tell(operation: Operation<Input, Output>): string;
}
