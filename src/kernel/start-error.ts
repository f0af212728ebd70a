/** A start that cannot be: one sentence that says what to change. The process ends with exit code 78 (EX_CONFIG). */
export class StartError extends Error {
  override name = "StartError";
}
